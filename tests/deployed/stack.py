"""A ministack of our own, with `template.yaml` deployed to it by SAM.

ministack checks signatures and evaluates the policies of roles and buckets (AUTH), and is reached by TLS, so that the
bucket policies' `aws:SecureTransport` holds. Its functions are the debug build's programs.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import boto3
import trustme
from botocore.config import Config

from processes import can_connect, free_ports, started, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "eu-central-1"
STACK = "landfall"
# The account's root, as ministack has it.
ROOT_KEY = "test"
# What a range of a divided archive costs at most, so that one of some megabytes is divided.
RANGE_BYTES = 1 << 20
# The engine's waits, between retries too, take so much of their time: jobs go on a step a poll, whenever that is.
WAIT_SCALE = 0.1


class Stack:
    """The deployed stack, and how to speak with it."""

    def __init__(self, folder: pathlib.Path, endpoint: str, authority: pathlib.Path) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.authority = authority
        # What IAM was asked, by lines of JSON.
        self.calls = folder / "calls.jsonl"
        self.outputs: dict[str, str] = {}
        self.resources: dict[str, str] = {}

    def client(self, service: str):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION, verify=str(self.authority),
            aws_access_key_id=ROOT_KEY, aws_secret_access_key=ROOT_KEY,
            config=Config(retries={"max_attempts": 2}, max_pool_connections=20, read_timeout=300),
        )

    def describe(self) -> None:
        """Reads what the stack has put out, and which resources it has."""
        formation = self.client("cloudformation")
        stack = formation.describe_stacks(StackName=STACK)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        self.resources = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in pages for resource in page["StackResourceSummaries"]
        }

    def functions(self) -> list[str]:
        """The logical names of the functions."""
        return sorted(name for name in self.resources if name.endswith("Function"))


@contextlib.contextmanager
def deployed(folder: pathlib.Path, parameters: dict[str, str], target: pathlib.Path) -> Iterator[Stack]:
    """ministack with the stack deployed to it."""
    with running(folder) as stack:
        deploy(stack, parameters, target)
        yield stack


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[Stack]:
    """ministack on a free port of this machine's own, with nothing of this process's environment but the path."""
    certificates = trusted(folder)
    (port,) = free_ports(1)
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(folder / "server.pem"),
        "MINISTACK_SSL_KEY": str(folder / "server.key"),
        "AUTH": "true",
        "SFN_WAIT_SCALE": str(WAIT_SCALE),
        "LOG_LEVEL": "WARNING",
        # Functions inherit all of this. Where they find AWS, and whom they trust there:
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
        "SSL_CERT_FILE": str(certificates),
        "LANDFALL_RANGE_BYTES": str(RANGE_BYTES),
    }
    log = folder / "ministack.log"
    stack = Stack(folder, f"https://127.0.0.1:{port}", certificates)
    recording = pathlib.Path(__file__).with_name("recording.py")
    with started([sys.executable, recording, stack.calls], log, environment, folder=folder) as process:
        wait_until(lambda: can_connect(port), process, log, 30)
        yield stack


def trusted(folder: pathlib.Path) -> pathlib.Path:
    """A certificate for this machine, and the authority that has signed it."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    server.private_key_pem.write_to_path(folder / "server.key")
    for index, part in enumerate(server.cert_chain_pems):
        part.write_to_path(folder / "server.pem", append=index > 0)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder / "authority.pem"


def deploy(stack: Stack, parameters: dict[str, str], target: pathlib.Path) -> None:
    """`sam build` and `sam deploy`. What is built is the debug build in `target`."""
    built = stack.folder / "build"
    programs = taking_what_is_compiled(stack.folder, target)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_CA_BUNDLE": str(stack.authority),
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
        "CARGO_TARGET_DIR": str(target),
    }
    chosen = ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    template = str(ROOT / "template.yaml")
    run(["sam", "build", "--template", template, "--build-dir", str(built), *chosen], environment)
    for bootstrap in built.glob("*/bootstrap"):
        # ministack keeps what is uploaded in memory.
        subprocess.run(["strip", str(bootstrap)], check=True)
    stack.client("s3").create_bucket(
        Bucket="deployment", CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    run([
        "sam", "deploy", "--template-file", str(built / "template.yaml"), "--stack-name", STACK,
        "--s3-bucket", "deployment", "--no-resolve-s3", "--region", REGION, "--no-confirm-changeset",
        "--capabilities", "CAPABILITY_IAM", *chosen,
    ], environment)
    stack.describe()


def taking_what_is_compiled(folder: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """A cargo-lambda for `sam build` that takes the programs of the debug build.

    cargo-lambda itself names the target to cargo, for which all would be compiled once more: four minutes.
    """
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "cargo-lambda"
    program.write_text(
        '#!/bin/sh -e\n'
        'name=$(basename "$PWD")\n'
        f'install -D "{target}/debug/$name" "{target}/lambda/$name/bootstrap"\n'
    )
    program.chmod(0o755)
    return programs


def run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()
        said = "\n".join(line for line in lines if "Uploading" not in line)
        raise AssertionError(f"{' '.join(command[:2])} failed:\n{said[-6000:]}")
