"""What the deployed state machine must do, source by source and fault by fault.

Each scenario has a simulator and a connection of its own, so that any number run at once. What has landed is judged by
what is in the buckets, not by what the execution says.
"""

import contextlib
import io
import json
import pathlib
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sources import Source, simulated
from stack import Stack

PATIENCE = 240
ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")

EXTRACT = {"kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "incremental"}
REST = {"kind": "fusion_rest", "resource": "invoices", "expand": ["invoiceLines"], "incremental": {}}
EPM = {
    "kind": "epm_job", "job_type": "INTEGRATION", "job_name": "BESSAPP",
    "parameters": {"periodName": "{Jan-06}", "importMode": "Replace", "exportMode": "Merge"},
}
FOLIO = {
    "kind": "folio_export", "profile": "Default instances export job profile",
    "records": {"ids": [f"6f7f3cd7-9f24-42eb-ae91-{number:012}" for number in range(1, 4)]},
}
SMALL = {"member_size": {"rows": 20}}
# A call that fails is left to the state machine's own retries.
ONCE = {"http": {"attempts": 1}}


class Run:
    """One scenario's connection, and the executions that land its jobs."""

    def __init__(self, stack: Stack, source: Source, name: str) -> None:
        self.stack = stack
        self.source = source
        self.connection = name
        self.states = stack.client("stepfunctions")
        self.store = stack.client("s3")
        self.work = stack.outputs["WorkBucket"]
        self.landing = stack.outputs["LandingBucket"]

    def event(self, export: dict) -> dict:
        return {"connection": self.connection, "export": export, "destination": "lake", "run_key": "first"}

    def start(self, event: dict, machine: str = "StateMachineArn") -> str:
        """Starts an execution; its name is the engine's, so no two share one."""
        arn = self.stack.outputs[machine]
        return self.states.start_execution(stateMachineArn=arn, input=json.dumps(event))["executionArn"]

    def ended(self, execution: str) -> dict:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = self.states.describe_execution(executionArn=execution)
            if found["status"] in ENDED:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{execution} does not end; it is in {self.entered(execution)[-3:]}")

    def land(self, event: dict) -> dict:
        """Runs the state machine, which is to succeed; returns the manifest."""
        found = self.ended(self.start(event))
        assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
        return self.manifest(json.loads(found["output"]))

    def fail(self, event: dict, error: str) -> str:
        """Runs the state machine, which is to fail by this name; returns the cause."""
        found = self.ended(self.start(event))
        assert found["status"] == "FAILED", f"{found['status']}, and not failed as {error}"
        assert found["error"] == error, f"{found['error']} instead of {error}: {found['cause']}"
        return found["cause"]

    def reaches(self, execution: str, state: str) -> None:
        """Waits until an execution has entered a state."""
        until = time.monotonic() + PATIENCE
        while state not in self.entered(execution):
            assert time.monotonic() < until, f"{state} is not reached"
            time.sleep(0.02)

    def history(self, execution: str) -> list[dict]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]

    def entered(self, execution: str) -> list[str]:
        """The names of the states that an execution has entered."""
        details = (event.get("stateEnteredEventDetails") for event in self.history(execution))
        return [detail["name"] for detail in details if detail]

    def errors(self, execution: str) -> list[str]:
        """The names of the errors that tasks have failed by."""
        details = (event.get("taskFailedEventDetails") for event in self.history(execution))
        return [detail["error"] for detail in details if detail]

    def objects(self, bucket: str, prefix: str) -> dict[str, int]:
        pages = self.store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}

    def landed(self) -> dict[str, int]:
        """What is below the connection's prefix."""
        return self.objects(self.landing, f"{self.connection}/")

    def manifests(self) -> list[str]:
        return [key for key in self.landed() if key.endswith("/_manifest.json")]

    def manifest(self, published: dict) -> dict:
        """The manifest, held against what has landed: every object by its bytes, and nothing besides."""
        key = published["manifest_key"]
        manifest = json.loads(self.store.get_object(Bucket=self.landing, Key=key)["Body"].read())
        beside = self.objects(self.landing, key.removesuffix("_manifest.json"))
        assert beside.pop(key) > 0
        assert beside == {landed["key"]: landed["size"] for landed in manifest["objects"]}
        for landed in manifest["objects"]:
            body = self.store.get_object(Bucket=self.landing, Key=landed["key"])["Body"].read()
            assert f"{zlib.crc32(body):08x}" == landed["crc32"].lower(), landed
        assert manifest["totals"] == published["totals"], (manifest["totals"], published)
        assert published["totals"]["bytes"] == sum(beside.values())
        uploads = self.store.list_multipart_uploads(Bucket=self.landing).get("Uploads", [])
        assert not [upload for upload in uploads if upload["Key"].startswith(f"{self.connection}/")]
        return manifest


@dataclass
class Scenario:
    """One scenario: what is different, and what must hold."""

    name: str
    holds: Callable[[Run], str]
    system: str = "fusion"
    faults: dict = field(default_factory=dict)
    data: dict = field(default_factory=lambda: SMALL)
    settings: dict = field(default_factory=dict)


def happy(export: dict, objects: int) -> Callable[[Run], str]:
    def holds(run: Run) -> str:
        manifest = run.land(run.event(export))
        assert manifest["state"] == "succeeded" and len(manifest["objects"]) >= objects, manifest
        return f"{manifest['totals']['objects']} objects, {manifest['totals'].get('rows', 'no')} rows"

    return holds


def again(run: Run) -> str:
    """A run that has landed lands no second time, whoever starts it."""
    first = run.land(run.event(EXTRACT))
    before = run.landed()
    found = run.ended(run.start(run.event(EXTRACT)))
    assert json.loads(found["output"])["already_published"], found
    assert run.landed() == before and run.source.jobs() == 1, run.source.jobs()
    return f"one job, {len(first['objects'])} objects"


def retried(expected: set[str]) -> Callable[[Run], str]:
    def holds(run: Run) -> str:
        execution = run.start(run.event(EXTRACT))
        found = run.ended(execution)
        assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
        run.manifest(json.loads(found["output"]))
        errors = run.errors(execution)
        assert set(errors) == expected, errors
        assert run.source.jobs() == 1, run.source.jobs()
        return f"{len(errors)} retries after {', '.join(sorted(expected))}; one job"

    return holds


def submitted_once(run: Run) -> str:
    """An answer that says neither yes nor no is settled by asking the source, in the same invocation."""
    run.land(run.event(EXTRACT))
    assert run.source.jobs() == 1, run.source.jobs()
    return "one job"


def fails(export: dict, error: str, says: str) -> Callable[[Run], str]:
    def holds(run: Run) -> str:
        cause = run.fail(run.event(export), error)
        assert says in cause, cause
        assert not run.manifests(), run.manifests()
        return f"{error}, in the source's words" if error == "JobFailed" else error

    return holds


def without_register_table(run: Run) -> str:
    """Where a destination names a table, and this stack has no function that appends to it, the job lands and the execution says
    what is missing."""
    table = {"catalog": "glue", "namespace": "erp", "name": "carriers"}
    destination = {"type": "s3", "bucket": run.landing, "form": "parquet", "table": table}
    secrets = run.stack.client("secretsmanager")
    secrets.create_secret(Name="landfall/destinations/tables", SecretString=json.dumps(destination))
    cause = run.fail(run.event(EXTRACT) | {"destination": "tables"}, "InvalidConfig")
    assert "has landed" in cause and "RegisterTableFunction" in cause, cause
    assert len(run.manifests()) == 1, run.manifests()
    return "InvalidConfig, behind the manifest"


def refused(error: str) -> Callable[[Run], str]:
    """What is found out before anything lands leaves nothing behind."""
    def holds(run: Run) -> str:
        run.fail(run.event(EXTRACT), error)
        assert not run.manifests(), run.manifests()
        return f"{error}; no manifest"

    return holds


def partial(run: Run) -> str:
    manifest = run.land(run.event(FOLIO))
    assert manifest["state"] == "partial", manifest["state"]
    names = [landed["key"].rsplit("/", 1)[-1] for landed in manifest["objects"]]
    assert "errors.ndjson" in names, names
    return f"landed, and marked: {', '.join(sorted(names))}"


def many(files: int, state: str) -> Callable[[Run], str]:
    def holds(run: Run) -> str:
        execution = run.start(run.event(EXTRACT))
        found = run.ended(execution)
        assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
        manifest = run.manifest(json.loads(found["output"]))
        assert len(manifest["files"]) == files, len(manifest["files"])
        assert state in run.entered(execution), run.entered(execution)
        return f"{files} files by {state}, {len(run.history(execution))} events"

    return holds


def one_of_many_fails(run: Run) -> str:
    """In a distributed map no failure is tolerated, and the file's own execution has the error's name."""
    execution = run.start(run.event(EXTRACT))
    found = run.ended(execution)
    assert (found["status"], found["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold"), found
    (map_run,) = run.states.list_map_runs(executionArn=execution)["mapRuns"]
    failed = run.states.list_executions(mapRunArn=map_run["mapRunArn"], statusFilter="FAILED")["executions"]
    errors = {run.states.describe_execution(executionArn=one["executionArn"])["error"] for one in failed}
    assert errors == {"UnsafeArchive"}, errors
    assert not run.manifests(), run.manifests()
    return f"{len(failed)} of its executions failed, as {', '.join(errors)}; no manifest"


def fanned_out(run: Run) -> str:
    execution = run.start(run.event(EXTRACT))
    found = run.ended(execution)
    assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
    manifest = run.manifest(json.loads(found["output"]))
    assert len(manifest["files"]) == 1 and len(manifest["objects"]) > 3, manifest["files"]
    assert "UnpackRanges" in unpacking(run), unpacking(run)
    return f"{len(manifest['objects'])} members of one archive, in {len(unpacking(run)['UnpackRanges'])} ranges"


def fetched_each(run: Run) -> str:
    """Large files are fetched by calls of their own, and the call for all that comes after it finds every one staged."""
    execution = run.start(run.event(EXTRACT))
    found = run.ended(execution)
    assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
    manifest = run.manifest(json.loads(found["output"]))
    entered = [state for state in run.entered(execution) if state in ("FetchFiles", "FetchEachFile", "UnpackFiles")]
    assert entered[-4:] == ["FetchFiles", "FetchEachFile", "FetchFiles", "UnpackFiles"], entered
    return f"{len(manifest['files'])} files by calls of their own"


def unpacking(run: Run) -> dict[str, list[str]]:
    """What is kept of divided archives: the engine tells nothing of what is in a map."""
    kept = run.objects(run.work, f"jobs/{run.connection}/")
    ranges = {key.rsplit("/", 1)[0] for key in kept if "/checkpoints/unpack/" in key}
    return {"UnpackRanges": sorted(ranges)} if len(ranges) > 1 else {}


def stopped_at(state: str) -> Callable[[Run], str]:
    """An execution that is stopped in the middle, and started again with the same input, lands once."""
    def holds(run: Run) -> str:
        event = run.event(EXTRACT)
        execution = run.start(event)
        run.reaches(execution, state)
        run.states.stop_execution(executionArn=execution, error="Stopped", cause="by the test")
        found = run.states.describe_execution(executionArn=execution)
        assert found["status"] == "ABORTED", found["status"]
        assert not run.manifests(), "it was stopped too late"
        manifest = run.land(event)
        assert run.source.jobs() == 1, run.source.jobs()
        assert len(run.manifests()) == 1, run.manifests()
        return f"one job, {len(manifest['objects'])} objects"

    return holds


def at_once(run: Run) -> str:
    """Executions of one run key that run at once have one job, and land it once."""
    executions = [run.start(run.event(EXTRACT)) for _ in range(3)]
    ended = [run.ended(execution) for execution in executions]
    assert {found["status"] for found in ended} == {"SUCCEEDED"}, [found.get("cause") for found in ended]
    manifests = {json.loads(found["output"])["manifest_key"] for found in ended}
    assert len(manifests) == 1 and run.source.jobs() == 1, (manifests, run.source.jobs())
    run.manifest(json.loads(ended[0]["output"]))
    return "three executions, one job, one manifest"


def gone_on_with(run: Run) -> str:
    """An execution that is given a job's id lands it, whatever has become of the one that submitted it."""
    execution = run.start(run.event(EXTRACT))
    run.reaches(execution, "PollStatus")
    run.states.stop_execution(executionArn=execution)
    (recorded,) = [key for key in run.objects(run.work, f"jobs/{run.connection}/") if key.endswith("/job.json")]
    manifest = run.land({"connection": run.connection, "job_request_id": recorded.split("/")[2]})
    assert run.source.jobs() == 1, run.source.jobs()
    return f"{len(manifest['objects'])} objects by the id alone"


def swept(run: Run) -> str:
    """The sweep's state machine starts an execution for a job that nobody goes on with."""
    execution = run.start(run.event(EXTRACT))
    run.reaches(execution, "FetchFiles")
    run.states.stop_execution(executionArn=execution)
    event = {"connection": run.connection, "exports": ["SimpleCarriers"], "destination": "lake", "grace_seconds": 0}
    until = time.monotonic() + PATIENCE
    sweeps = 0
    while not run.manifests():
        assert time.monotonic() < until, "nothing lands"
        found = run.ended(run.start(event, "SweepArn"))
        assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
        sweeps += 1
        time.sleep(1)
    assert run.source.jobs() == 1, run.source.jobs()
    return f"landed by {sweeps} sweeps, the job of an execution that was stopped"


def swept_failure(run: Run) -> str:
    """Of a job that failed at the source one sweep tells, the topic first, and no other."""
    run.fail(run.event(EXTRACT), "JobFailed")
    event = {"connection": run.connection, "exports": ["SimpleCarriers"], "destination": "lake", "grace_seconds": 0}
    with listening(run) as messages:
        execution = run.start(event, "SweepArn")
        found = run.ended(execution)
        assert (found["status"], found["error"]) == ("FAILED", "JobsFailed"), found
        (text,) = messages(lambda text: f"on {run.connection} (" in text)
    assert "SimpleCarriers" in text and 'snapshot "too" old' in text, text
    assert run.entered(execution).count("Sweep") == 2, "what was told is noted by the call after it"
    found = run.ended(run.start(event, "SweepArn"))
    assert found["status"] == "SUCCEEDED", found
    return text.splitlines()[0]


def verified(run: Run) -> str:
    """What is gone of a landed job is told to the topic, which names the job; of what is whole nothing is said."""
    run.land(run.event(EXTRACT))
    event, (manifest,) = {"connections": [run.connection]}, run.manifests()

    def of_what_is_whole() -> None:
        found = run.ended(run.start(event, "VerifyArn"))
        assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
        assert json.loads(found["output"])["jobs"] == 1, found["output"]

    of_what_is_whole()
    lost = [next(key for key in run.landed() if key != manifest), manifest]
    with listening(run) as messages:
        for key, words in zip(lost, ("gone: ", "the manifest is gone: "), strict=True):
            body = run.store.get_object(Bucket=run.landing, Key=key)["Body"].read()
            run.store.delete_object(Bucket=run.landing, Key=key)
            found = run.ended(run.start(event, "VerifyArn"))
            assert (found["status"], found.get("error")) == ("FAILED", "NotAsLanded"), found
            told = f"on {run.connection} (SimpleCarriers): {words}s3://{run.landing}/{key}"
            (text,) = messages(lambda text, told=told: told in text)
            assert text.startswith("job ") and "docs/operating.md" in text, text
            run.store.put_object(Bucket=run.landing, Key=key, Body=body)
            of_what_is_whole()
    timer = run.stack.client("scheduler").get_schedule(Name=run.stack.resources["VerifyTimer"].split("/")[-1])
    assert json.loads(timer["Target"]["Input"]) == {"days": 7}, timer["Target"]
    assert timer["Target"]["Arn"] == run.stack.outputs["VerifyArn"]
    return text.splitlines()[0]


def scheduled(run: Run) -> str:
    """A schedule's delivery starts its runs, each by a name of its own, and the same delivery again starts none."""
    full, changed = (EXTRACT | {"mode": mode} for mode in ("full", "incremental"))
    runs = [{"connection": run.connection, "export": export, "destination": "lake"} for export in (full, changed)]
    runs.append({"connection": run.connection, "export": full, "destination": "lake", "run_key": "other"})

    def delivered(runs: list[dict], at: str) -> list[str]:
        found = run.ended(run.start({"at": at, "runs": runs}, "ScheduledRunsArn"))
        assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
        return [started["run_key"] for started in json.loads(found["output"])]

    at = "2026-11-22T06:00:00Z"
    keys, again = delivered(runs, at), delivered(runs, at)
    assert keys == again and len(set(keys)) == 3, (keys, again)
    assert all(re.fullmatch(rf"SimpleCarriers-[0-9a-f]{{12}}-{at}", key) for key in keys[:2]), keys
    assert keys[2] == f"other-{at}", keys
    alone = delivered(runs[:1], "2026-11-22T07:00:00Z")
    assert alone == ["SimpleCarriers-2026-11-22T07:00:00Z"], alone
    until = time.monotonic() + PATIENCE
    while len(run.manifests()) < 4:
        assert time.monotonic() < until, run.landed()
        time.sleep(0.2)
    assert run.source.jobs() == 4, run.source.jobs()
    timer = run.stack.client("scheduler").get_schedule(Name=run.stack.resources["RunTimer"].split("/")[-1])
    target = json.loads(timer["Target"]["Input"])
    assert target["at"] == "<aws.scheduler.scheduled-time>" and target["runs"] == [], target
    assert timer["Target"]["Arn"] == run.stack.outputs["ScheduledRunsArn"]
    return "four runs by their scheduled times, three of them delivered twice"


def dropped(run: Run) -> str:
    """An archive that is put into the inbox is unpacked and published, once, however often it is put there."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("orders.csv", "lines/2026.csv"):
            archive.writestr(name, "ID,NAME\n" + "".join(f"{number},name {number}\n" for number in range(500)))
    stem = f"dropped-{run.connection}"
    prefix = f"inbox/{stem}/"
    for _ in range(2):
        run.store.put_object(Bucket=run.work, Key=f"inbox/{stem}.zip", Body=packed.getvalue())
        until = time.monotonic() + 60
        while not [key for key in run.objects(run.landing, prefix) if key.endswith("/_manifest.json")]:
            assert time.monotonic() < until, run.objects(run.work, "jobs/inbox/")
            time.sleep(0.2)
    time.sleep(2)
    (key,) = [key for key in run.objects(run.landing, prefix) if key.endswith("/_manifest.json")]
    manifest = json.loads(run.store.get_object(Bucket=run.landing, Key=key)["Body"].read())
    run.manifest({"manifest_key": key, "totals": manifest["totals"]})
    members = [landed["member"] for landed in manifest["objects"]]
    assert members == ["orders.csv", "lines/2026.csv"] and manifest["totals"]["rows"] == 1000, manifest
    return f"{len(members)} members, {manifest['totals']['rows']} rows; dropped twice, landed once"


@contextlib.contextmanager
def listening(run: Run) -> Iterator[Callable[[Callable[[str], bool]], list[str]]]:
    """Listens to the topic; waits for the first messages that are asked for."""
    queues, topics = run.stack.client("sqs"), run.stack.client("sns")
    queue = queues.create_queue(QueueName=run.connection)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": run.stack.outputs["TopicArn"]}},
        }],
    }
    queues.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(allowed)})
    topics.subscribe(TopicArn=run.stack.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)

    def messages(wanted: Callable[[str], bool]) -> list[str]:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            answer = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=2, MaxNumberOfMessages=10)
            texts = [json.loads(message["Body"])["Message"] for message in answer.get("Messages", [])]
            if found := [text for text in texts if wanted(text)]:
                return found
        raise AssertionError("nobody was told")

    yield messages


def told(error: str, redriven: bool) -> Callable[[Run], str]:
    """Who listens to the topic is told of a failure, whatever its cause says: its name, what to do, and a redrive if that
    helps."""
    def holds(run: Run) -> str:
        with listening(run) as messages:
            cause = run.fail(run.event(EXTRACT), error)
            (text,) = messages(lambda text: f"on {run.connection} " in text)
        message = json.loads(text)
        assert (message["landfall"], message["status"], message["cause"]) == (error, "FAILED", cause), text
        assert "; what to do: " in cause and message["more"] == "docs/operating.md", text
        assert json.loads(message["input"])["connection"] == run.connection, text
        assert ("redrive-execution --region" in text) == redriven, text
        return f"{error}, {'with' if redriven else 'without'} a redrive"

    return holds


def measured(run: Run) -> str:
    """What has landed is measured, once, under names that are bounded."""
    run.land(run.event(EXTRACT))
    run.land(run.event(EXTRACT))
    (job,) = [key.split("/")[2] for key in run.manifests()]
    manifest = json.loads(run.store.get_object(Bucket=run.landing, Key=run.manifests()[0])["Body"].read())
    logs = run.stack.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=run.stack.resources["PublishLogs"])
    lines = [event["message"] for page in pages for event in page["events"]]
    metrics = [json.loads(line) for line in lines if line.startswith('{"_aws"')]
    ours = [line for line in metrics if line.get("bytes_landed") == manifest["totals"]["bytes"]]
    assert len(ours) == 1, (job, metrics, lines[-5:])
    (directive,) = ours[0]["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "landfall/landfall" and directive["Dimensions"] == [["step"]], directive
    return f"{', '.join(metric['Name'] for metric in directive['Metrics'])}"


OUTAGES = {
    "submit": {"outage": {"throttle": {"times": 1}}},
    "status": {"outage": {"throttle": {"times": 3}}},
    "output_files": {"outage": {"unavailable": 1}},
    "content": {"outage": {"unavailable": 1}, "only_file": 1},
}

SCENARIOS = (
    Scenario("happy: Fusion data extraction", happy(EXTRACT, 6)),
    Scenario("happy: Fusion REST", happy(REST, 1), data={"rest": {"rows": 1200}}),
    Scenario("happy: EPM job", happy(EPM, 1), system="epm"),
    Scenario("happy: FOLIO data export", happy(FOLIO, 1), system="folio"),
    Scenario("started again", again),
    Scenario("a table, and nothing that appends to it", without_register_table),
    Scenario("retries", retried({"Throttled"}), faults=OUTAGES, settings=ONCE),
    Scenario(
        "a submission answered by 503, and taken", submitted_once,
        faults={"submit": {"accept_then_unavailable": 1}}, settings=ONCE,
    ),
    Scenario(
        "a submission answered by 503, and not taken", submitted_once,
        faults={"submit": {"outage": {"unavailable": 1}}}, settings=ONCE,
    ),
    Scenario(
        "source failure: Fusion", fails(EXTRACT, "JobFailed", "ORA-01555"),
        faults={"status": {"final_status": "FAILED", "final_message": "ORA-01555: snapshot too old"}},
    ),
    Scenario(
        "source failure: EPM", fails(EPM, "JobFailed", "mapping"), system="epm",
        faults={"epm": {"status": {"final_status": 1, "log": "mapping"}}},
    ),
    Scenario(
        "source failure: FOLIO", fails(FOLIO, "JobFailed", "FAIL"), system="folio",
        faults={"folio": {"storing_fails": True}},
    ),
    Scenario("partial", partial, system="folio", data={"folio": {"unknown_ids": FOLIO["records"]["ids"][:1]}}),
    Scenario("a wrong member", refused("IntegrityError"), faults={"archive": {"kind": "bad_crc", "file": 2}}),
    Scenario(
        "a file of several parts", happy(EPM, 1), system="epm", data={"epm": {"rows": 180_000}},
    ),
    Scenario("a wrong checksum", refused("IntegrityError"), faults={"output_files": {"checksum": "wrong"}}),
    Scenario("an unsafe archive", refused("UnsafeArchive"), faults={"archive": {"kind": "zip_slip", "file": 3}}),
    Scenario(
        "deadline", fails(EXTRACT, "JobTimedOut", "timeout_seconds"),
        faults={"status": {"never_ends": True}}, settings={"job": {"timeout_seconds": 3}},
    ),
    Scenario(
        "a status that nobody knows", fails(EXTRACT, "UnknownStatus", "PERHAPS"),
        faults={"status": {"final_status": "PERHAPS"}}, settings={"job": {"timeout_seconds": 3}},
    ),
    Scenario("60 files", many(60, "UnpackFiles"), data={"views": ["carriers"], "chunks_per_view": 60, **SMALL}),
    Scenario(
        "210 files", many(210, "UnpackManyFiles"),
        data={"views": ["carriers"], "chunks_per_view": 210, "member_size": {"rows": 2}},
    ),
    Scenario(
        "210 files, one of them unsafe", one_of_many_fails,
        faults={"archive": {"kind": "zip_slip", "file": 200}},
        data={"views": ["carriers"], "chunks_per_view": 210, "member_size": {"rows": 2}},
    ),
    Scenario(
        "one large archive", fanned_out,
        data={
            "views": ["carriers"], "chunks_per_view": 1, "members_per_chunk": 12,
            "member_size": {"bytes": 400_000},
        },
    ),
    Scenario(
        "large files, each by itself", fetched_each,
        data={"views": ["carriers"], "chunks_per_view": 8, "members_per_chunk": 1, "member_size": {"bytes": 1_000_000}},
    ),
    Scenario("stopped while it is polled, started again", stopped_at("PollStatus")),
    Scenario("stopped while it is fetched, started again", stopped_at("FetchFiles")),
    Scenario(
        "stopped while it is unpacked, started again", stopped_at("UnpackFiles"),
        data={"views": ["carriers"], "chunks_per_view": 30, **SMALL},
    ),
    Scenario("three executions at once", at_once),
    Scenario(
        "gone on with by the job's id", gone_on_with,
    ),
    Scenario("sweep", swept),
    Scenario(
        "sweep, of a job that failed", swept_failure,
        faults={"status": {"final_status": "FAILED", "final_message": 'ORA-01555: snapshot "too" old'}},
    ),
    Scenario("verification", verified),
    Scenario("schedule", scheduled),
    Scenario("inbox", dropped),
    Scenario(
        "a failure is told", told("JobFailed", redriven=False),
        faults={"status": {"final_status": "FAILED", "final_message": 'ORA-01555: snapshot "too" old'}},
    ),
    Scenario(
        "a failure that a redrive continues", told("JobTimedOut", redriven=True),
        faults={"status": {"never_ends": True}}, settings={"job": {"timeout_seconds": 3}},
    ),
    Scenario("metrics", measured, data={"member_size": {"rows": 37}}),
)


@contextlib.contextmanager
def connected(
    stack: Stack, landfall: pathlib.Path, scenario: Scenario, number: int,
) -> Iterator[Run]:
    """A scenario's simulator, and its connection as a secret."""
    name = f"{scenario.system}-{number}"
    folder = stack.folder / "sources" / name
    with simulated(landfall, folder, scenario.faults, scenario.data) as source:
        secret = f"{stack.outputs['ConnectionSecrets']}{name}"
        text = json.dumps(source.connection(scenario.system, scenario.settings))
        stack.client("secretsmanager").create_secret(Name=secret, SecretString=text)
        yield Run(stack, source, name)
