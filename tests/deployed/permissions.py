"""The roles' policies, held against what the functions have really called, and functions that lack a permission.

The policies are those that the deployed roles have; the calls are those of the scenarios; the judge is the IAM of the
engine, as a library. That no statement is too many: without it, some call is refused. That none is missing: the
scenarios have run with IAM asked at every call. That a refusal is told by name: one permission is taken from each
function in turn, and the execution fails.
"""

import dataclasses
import json
import re
from collections import defaultdict

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from scenarios import EXTRACT, Run, listening
from stack import REGION, Stack

# Statements for services that the engine's functions do not call: Lambda itself logs and traces.
UNSEEN = {"Log", "Trace"}
# What is called where something went wrong that no scenario makes go wrong.
RARE = {
    ("FetchFilesFunction", "StageFiles", "s3:DeleteObject"): "a staged object without a record, of other bytes",
    ("FetchFilesFunction", "StageFiles", "s3:AbortMultipartUpload"): "uploads left by invocations that have died",
    ("FetchFilesFunction", "StageFiles", "s3:ListMultipartUploadParts"): "going on with an upload of another invocation",
    ("FetchFilesFunction", "SeeWhatHasLanded", "s3:GetObject"): "a staged file that is gone, which may have landed",
    ("SubmitFunction", "ForgetWrongJobs", "s3:DeleteObject"): "a job that a person has named wrongly",
    ("SubmitFunction", "ReadInputs", "s3:GetObject"): "lists of records and files to upload, from inputs/",
    ("UnpackUploadFunction", "LandObjects", "s3:AbortMultipartUpload"): "a large member of wrong bytes",
    ("UnpackUploadFunction", "LandObjects", "s3:DeleteObject"): "an archive whose later bytes are wrong",
    ("UnpackUploadFunction", "GiveUpReceipts", "s3:AbortMultipartUpload"): "a receipt of very many objects",
    ("UnpackUploadFunction", "GiveUpReceipts", "s3:DeleteObject"): "a receipt of objects that are gone",
    ("PublishFunction", "WriteManifests", "s3:AbortMultipartUpload"): "a manifest of very many objects",
    ("PublishFunction", "NoteWhatCannotLand", "s3:PutObject"): "fewer rows than the source has counted",
    ("PublishFunction", "KeepFailures", "s3:PutObject"): "the same, for whoever looks",
    # tests/tests/whole/stack.rs holds these roles against steps that use them.
    ("UnpackUploadFunction", "ReadSchemas", "s3:GetObject"): "the schema of an export whose columns are looked at",
    ("PublishFunction", "KeepSchemas", "s3:GetObject"): "the schema of an export whose columns are looked at",
    ("PublishFunction", "KeepSchemas", "s3:PutObject"): "a version of it",
    ("PublishFunction", "ShowSchemas", "s3:PutObject"): "the same version, for readers",
} | {
    # Nobody is to be told in the scenarios; tests/tests/whole/stack.rs holds these against steps that tell.
    (function, statement, action): "somebody who is told of runs"
    for function in (
        "SubmitFunction", "PollStatusFunction", "FetchFilesFunction", "UnpackUploadFunction", "PublishFunction",
    )
    for statement, action in (
        ("TellOthers", "s3:GetObject"), ("TellOthers", "s3:PutObject"), ("KeepEvents", "s3:PutObject"),
    )
} | {
    (function, "ReadSystems", "s3:GetObject"): "the description of a connection's system"
    for function in ("SubmitFunction", "PollStatusFunction", "FetchFilesFunction", "SweepFunction")
} | {
    (function, "ShareTokens", action): "a connection's refresh token"
    for function in ("SubmitFunction", "PollStatusFunction", "FetchFilesFunction", "SweepFunction")
    for action in ("s3:GetObject", "s3:PutObject")
}

# Permissions without which nothing lands, of each function one at least.
TAKEN = (
    ("SubmitFunction", "ClaimRunsAndRecordJobs", "s3:PutObject", "StateMachineArn"),
    ("PollStatusFunction", "RecordHowJobsEnd", "s3:PutObject", "StateMachineArn"),
    ("FetchFilesFunction", "StageFiles", "s3:PutObject", "StateMachineArn"),
    ("UnpackUploadFunction", "LandObjects", "s3:PutObject", "StateMachineArn"),
    ("PublishFunction", "WriteManifests", "s3:PutObject", "StateMachineArn"),
    ("FetchFilesFunction", "ReadInbox", "s3:GetObject", "StateMachineArn"),
    ("SweepFunction", "RecordJobsAndNoteWhatIsFound", "s3:GetObject", "SweepArn"),
    ("VerifyFunction", "ReadWhatIsKeptOfJobs", "s3:GetObject", "VerifyArn"),
)
# What looks at many jobs, tells of those that it could not look at, and then fails by a name of its own.
MANY = {"SweepArn": "JobsFailed", "VerifyArn": "NotAsLanded"}


@dataclasses.dataclass(frozen=True)
class Call:
    """What a function has called."""

    function: str
    action: str
    resource: str


def held_against_calls(stack: Stack) -> str:
    """Every call is allowed, and without any one statement some call is not."""
    calls, statements = made(stack), granted(stack)
    needless, seen = [], 0
    for function, policy in statements.items():
        own = sorted(calls[function], key=lambda call: (call.action, call.resource))
        refused = [call for call in own if not allowed(policy, call)]
        assert not refused, f"{function} may not {refused[0].action} on {refused[0].resource}"
        for statement in policy:
            seen += 1
            without = [other for other in policy if other is not statement]
            if all(allowed(without, call) for call in own) and statement["Sid"] not in UNSEEN:
                actions = [(function, statement["Sid"], action) for action in listed(statement["Action"])]
                if not all(action in RARE for action in actions):
                    needless.append(f"{function}: {statement['Sid']}")
    assert not needless, f"no scenario needs {needless}"
    return f"{seen} statements of {len(statements)} functions, {sum(map(len, calls.values()))} different calls"


def without_any_use(stack: Stack) -> list[str]:
    """What is granted and was not called, action by action."""
    calls = made(stack)
    unused, unknown = [], []
    for function, policy in granted(stack).items():
        for statement in policy:
            for action in listed(statement["Action"]):
                alone = [statement | {"Action": action}]
                if statement["Sid"] not in UNSEEN and not any(allowed(alone, call) for call in calls[function]):
                    why = RARE.get((function, statement["Sid"], action))
                    if why:
                        unused.append(f"{function} {action}: {why}")
                    else:
                        unknown.append(f"{function} is granted {action} by {statement['Sid']}")
    assert not unknown, f"{'; '.join(unknown)}, and nobody knows what for"
    return unused


def machines_may(stack: Stack) -> str:
    """The state machines' roles allow what their definitions call: the engine does not ask IAM for these."""
    count = 0
    for machine, role in (
        ("ExportJob", "ExportJobRole"), ("Sweep", "SweepMachineRole"), ("Verify", "VerifyMachineRole"),
        ("ScheduledRunsMachine", "ScheduledRunsRole"),
    ):
        arn = stack.resources[machine]
        text = stack.client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"]
        policy = statements_of(stack, role)
        needed = {("lambda:InvokeFunction", name) for name in re.findall(r"arn:aws:lambda:[^\"]+", text)}
        needed |= {("states:StartExecution", name) for name in re.findall(r'"StateMachineArn": ?"([^"]+)"', text)}
        needed |= {("sns:Publish", name) for name in re.findall(r'"TopicArn": ?"([^"]+)"', text)}
        if "DISTRIBUTED" in text:
            key = f"{stack.outputs['WorkBucket']}/jobs/fusion-0/44046/files.json"
            needed |= {("states:StartExecution", arn), ("s3:GetObject", f"arn:aws:s3:::{key}")}
            execution = arn.replace(":stateMachine:", ":execution:")
            needed.add(("states:DescribeExecution", f"{execution}/UnpackManyFiles:1"))
        assert needed, machine
        for action, resource in needed:
            call = Call(machine, action, resource)
            assert allowed(policy, call), f"{machine} may not {action} on {resource}"
            count += 1
    return f"{count} calls of four definitions"


def refused_by_name(run: Run) -> str:
    """A function that lacks a permission ends the execution, by its name and the action's."""
    iam, stack = run.stack.client("iam"), run.stack
    for number, (function, sid, action, machine) in enumerate(TAKEN):
        role = stack.resources[role_of(function)]
        (name_of_policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        whole = iam.get_role_policy(RoleName=role, PolicyName=name_of_policy)["PolicyDocument"]
        lacking = json.loads(json.dumps(whole))
        for statement in lacking["Statement"]:
            if statement["Sid"] == sid:
                statement["Action"] = [kept for kept in listed(statement["Action"]) if kept != action] or ["s3:None"]
        assert lacking != whole, (function, sid, action)
        iam.put_role_policy(RoleName=role, PolicyName=name_of_policy, PolicyDocument=json.dumps(lacking))
        try:
            if machine in MANY:
                name, said = told_without(run, event_for(run, function, sid, number), machine)
            else:
                found = run.ended(run.start(event_for(run, function, sid, number), machine))
                name, said = found.get("error"), found.get("cause", "")
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=name_of_policy, PolicyDocument=json.dumps(whole))
        assert name == MANY.get(machine, "AuthRejected"), (function, name, said)
        for part in ("AuthRejected", "refused the credentials") if machine in MANY else ("refused",):
            assert part in said, (part, said)
        for part in (function, action):
            assert part in said, (part, said)
    return f"{len(TAKEN)} permissions, AuthRejected each time, by the function's name and the action's"


def told_without(run: Run, event: dict, machine: str) -> tuple[str, str]:
    """The error's name of what looks at many jobs, and what it has told the topic."""
    with listening(run) as messages:
        found = run.ended(run.start(event, machine))
        (text, *_) = messages(lambda text: f"on {run.connection} " in text and "could not be " in text)
    return found.get("error", found["status"]), text


def event_for(run: Run, function: str, sid: str, number: int) -> dict:
    """An event by which the state machine, or the sweep's, comes to where the function needs the permission."""
    if function == "SweepFunction":
        return {"connection": run.connection, "exports": ["*"], "destination": "lake", "grace_seconds": 0}
    if function == "VerifyFunction":
        return {"connections": [run.connection]}
    if sid == "ReadInbox":
        key = f"inbox/lacking-{number}.csv"
        run.store.put_object(Bucket=run.work, Key=key, Body=b"ID\n1\n")
        return {"object": {"bucket": run.work, "key": key}, "destination": "lake"}
    return run.event(EXTRACT) | {"run_key": f"lacking-{number}"}


def plain_http_is_refused(stack: Stack) -> str:
    """The buckets' policies refuse what does not come by TLS, even from the account's root."""
    for bucket in (stack.outputs["WorkBucket"], stack.outputs["LandingBucket"]):
        (statement,) = json.loads(stack.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        resources = {f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"}
        assert statement["Effect"] == "Deny" and set(statement["Resource"]) == resources, statement
        call = Call("anybody", "s3:GetObject", f"arn:aws:s3:::{bucket}/key")
        anything = [{"Sid": "All", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}, statement]
        assert allowed(anything, call) and not allowed(anything, call, by_tls=False), bucket
    return "both buckets"


def allowed(policy: list[dict], call: Call, by_tls: bool = True) -> bool:
    context = EvalContext(
        principal_arn="", principal_type="AssumedRole", principal_account="", action=call.action,
        resource_arn=call.resource, region=REGION, secure_transport=by_tls,
    )
    return evaluate(context, [parse_policy_document({"Statement": policy})]).decision == "Allow"


def made(stack: Stack) -> dict[str, set[Call]]:
    """What each function has called that it was allowed to."""
    calls = defaultdict(set)
    names = {stack.resources[function]: function for function in stack.functions()}
    for line in stack.calls.read_text().splitlines():
        asked = json.loads(line)
        function = names.get(asked["caller"].rsplit("/", 1)[-1])
        if function is None or not asked["allowed"]:
            continue
        calls[function].add(Call(function, asked["action"], asked["resource"]))
        if asked["action"] == "s3:GetObject":
            # Of a key that is not there, S3 says so only to who may list (API reference, GetObject).
            bucket = asked["resource"].split("/", 1)[0]
            calls[function].add(Call(function, "s3:ListBucket", bucket))
    return calls


def granted(stack: Stack) -> dict[str, list[dict]]:
    """The statements of each function's role."""
    return {function: statements_of(stack, role_of(function)) for function in stack.functions()}


def statements_of(stack: Stack, role: str) -> list[dict]:
    iam, name = stack.client("iam"), stack.resources[role]
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in policies]
    return [statement for document in documents for statement in document["Statement"]]


def role_of(function: str) -> str:
    return function.removesuffix("Function") + "Role"


def listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else list(actions)
