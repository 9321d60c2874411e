"""Follows docs/guide/deployment.md against ministack: each of its commands, in order, as it stands there.

usage: guide.py ARCHIVE [--landfall PROGRAM] [--tools FOLDER]... [--keep]

ARCHIVE is the stack as `release/build --only aws` packs it; TOOLS are folders with `sam` and `aws`. Whoever deploys is a
user with the guide's own policy, and with nothing else. Prints what each command took.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / ".ci"))

import sources
from stack import REGION, ROOT, ROOT_KEY, Stack, running

GUIDE = ROOT / "docs/guide/deployment.md"
PATIENCE = 300
# The guide's bucket that is there already.
LAKE = "my-lake"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=pathlib.Path)
    parser.add_argument("--landfall", type=pathlib.Path, default=ROOT / "target/debug/landfall")
    parser.add_argument("--tools", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs")
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="landfall-guide-"))
    try:
        with running(folder) as stack:
            follow(stack, arguments, folder)
    finally:
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def follow(stack: Stack, arguments: argparse.Namespace, folder: pathlib.Path) -> None:
    with tarfile.open(arguments.archive) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (work,) = (folder / "unpacked").iterdir()
    programs = [str(path.resolve()) for path in (*arguments.tools, arguments.landfall.parent)]
    environment = os.environ | {
        "PATH": ":".join([*programs, os.environ["PATH"]]),
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_CA_BUNDLE": str(stack.authority),
        "SSL_CERT_FILE": str(stack.authority),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_PAGER": "",
        "SAM_CLI_TELEMETRY": "0",
    }
    with sources.simulated(arguments.landfall.resolve(), folder / "source", {}, {"member_size": {"rows": 20}}) as source:
        secret = source.connection("fusion", {})
        (work / "fusion-prod.json").write_text(json.dumps(secret))
        event = json.loads((work / "events/run-fusion-extract.json").read_text())
        (work / "event.json").write_text(json.dumps(event | {"connection": "fusion-prod"}))
        stack.client("s3").create_bucket(Bucket=LAKE, CreateBucketConfiguration={"LocationConstraint": REGION})
        began, before = time.monotonic(), "true"
        # An administrator makes the policy; what follows is done by whoever has it.
        deployer = root()
        for command in commands():
            took = time.monotonic()
            said = run(before, command, environment | deployer, work)
            print(f"{named(command):<70} {time.monotonic() - took:6.1f} s", flush=True)
            if "create-policy" in command:
                deployer = user(stack)
            if "output()" in command:
                before = command.split("\nprintf", 1)[0]
            check(command, said, stack)
        print(f"{'in all':<70} {time.monotonic() - began:6.1f} s")


def commands() -> list[str]:
    """The guide's shell blocks, up to the table of parameters."""
    text = GUIDE.read_text().split("\n## Parameters", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def named(command: str) -> str:
    """The command that a block is for, in one line."""
    lines = command.splitlines()
    found = next((line for line in lines if line.startswith(("aws s3 cp", "  landfall"))), lines[0])
    return found.strip()[:68]


def root() -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": ROOT_KEY, "AWS_SECRET_ACCESS_KEY": ROOT_KEY}


def user(stack: Stack) -> dict[str, str]:
    iam = stack.client("iam")
    (policy,) = [found for found in iam.list_policies(Scope="Local")["Policies"] if found["PolicyName"] == "landfall-deployer"]
    iam.create_user(UserName="deployer")
    iam.attach_user_policy(UserName="deployer", PolicyArn=policy["Arn"])
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def run(before: str, command: str, environment: dict[str, str], folder: pathlib.Path) -> str:
    # `sam deploy` asks.
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{before}\n{command}"], cwd=folder, env=environment, input="y\n" * 5,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )
    assert done.returncode == 0, f"{command}\nfailed ({done.returncode}):\n{(done.stdout + done.stderr)[-4000:]}"
    return done.stdout


def check(command: str, said: str, stack: Stack) -> None:
    """What a command is to bring about."""
    if "inbox/sample.zip" in command:
        assert "_manifest.json" in said, said
    if "--dry-run" in command:
        assert "would submit a job" in said, said
    if "start-execution" in command:
        states = stack.client("stepfunctions")
        execution = json.loads(said)["executionArn"]
        until = time.monotonic() + PATIENCE
        while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < until, "the run does not end"
            time.sleep(0.2)
        assert found["status"] == "SUCCEEDED", found
    if f"ExistingBucket={LAKE}" in command:
        lands_in_lake(stack)


def lands_in_lake(stack: Stack) -> None:
    (second,) = stack.client("cloudformation").describe_stacks(StackName="landfall-test")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in second["Outputs"]}
    assert outputs["LandingBucket"] == LAKE, outputs
    store = stack.client("s3")
    store.put_object(Bucket=outputs["WorkBucket"], Key="inbox/sample.csv", Body=b"id\n1\n")
    until = time.monotonic() + PATIENCE
    while not any(found["Key"].endswith("/_manifest.json") for found in store.list_objects_v2(Bucket=LAKE).get("Contents", [])):
        assert time.monotonic() < until, "nothing lands in the bucket that was there"
        time.sleep(0.2)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
