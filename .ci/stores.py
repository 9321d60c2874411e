"""Runs a command beside stores that others wrote: SeaweedFS and ministack, as .ci/stores.txt pins them.

usage: stores.py COMMAND...

Both listen on 127.0.0.1 alone, at free ports, and keep what they are given in a folder that is gone afterwards. The
command finds them in LANDFALL_CONFORMANCE_STORES, a JSON list of name, endpoint, access_key_id and secret_access_key.
"""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from processes import HOST, free_ports, started, wait_until

# SeaweedFS elects a master and grows its first volume before it takes an object.
PATIENCE = 120


def main(command: list[str]) -> int:
    # Ended by a signal, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        stores = [
            running.enter_context(seaweedfs(pathlib.Path(folder, "seaweedfs"))),
            running.enter_context(ministack(pathlib.Path(folder, "ministack"))),
        ]
        environment = os.environ | {"LANDFALL_CONFORMANCE_STORES": json.dumps(stores)}
        return subprocess.run(command, env=environment, check=False).returncode


@contextlib.contextmanager
def seaweedfs(folder: pathlib.Path, *, iceberg: bool = False) -> Iterator[dict]:
    """One process of it: master, volume server, filer and S3 gateway, which checks signatures; with its Iceberg catalog, if
    that is asked for, which checks them too."""
    folder.mkdir()
    keys = {"access_key_id": "landfall", "secret_access_key": "a key of this run alone"}
    credentials = {"accessKey": keys["access_key_id"], "secretKey": keys["secret_access_key"]}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "landfall", "credentials": [credentials], "actions": actions}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    names = [f"{server}.port{kind}" for server in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    (catalog,) = free_ports(1) if iceberg else (0,)
    # Each bucket has volumes of its own, seven at once.
    command = [
        tool("weed"), f"-logdir={folder}", "server", f"-dir={data}", f"-ip={HOST}", f"-ip.bind={HOST}", "-filer", "-s3",
        f"-s3.config={config}", f"-s3.port.iceberg={catalog}", "-s3.port.lance=0",
        "-s3.iam=false", "-s3.autoCreateBucket=false",
        "-master.volumeSizeLimitMB=64", "-volume.max=2000", "-volume.minFreeSpace=1", "-volume.preStopSeconds=0",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with serving("SeaweedFS", command, folder, {}, ports["s3.port"], "/status"):
        store = {"name": "SeaweedFS", "endpoint": f"http://{HOST}:{ports['s3.port']}", **keys}
        yield store | ({"catalog": f"http://{HOST}:{catalog}"} if iceberg else {})


@contextlib.contextmanager
def ministack(folder: pathlib.Path) -> Iterator[dict]:
    """Its S3 alone is used. It does not check signatures."""
    folder.mkdir()
    (port,) = free_ports(1)
    environment = {"GATEWAY_PORT": str(port), "BIND_HOST": HOST}
    keys = {"access_key_id": "landfall", "secret_access_key": "a key of this run alone"}
    with serving("ministack", [tool("ministack")], folder, environment, port, "/_ministack/health"):
        yield {"name": "ministack", "endpoint": f"http://{HOST}:{port}", **keys}


@contextlib.contextmanager
def serving(
    name: str, command: list[str], folder: pathlib.Path, environment: dict[str, str], port: int, health: str
) -> Iterator[None]:
    began, log = time.monotonic(), folder / "log"
    with started(command, log, os.environ | environment, folder=folder, ends_within=5) as process:
        wait_until(lambda: is_up(port, health), process, log, PATIENCE)
        print(f"{name} serves after {time.monotonic() - began:.1f} s", flush=True)
        yield


def is_up(port: int, health: str) -> bool:
    """Whether it answers at all: what it says of itself differs, and the conformance tests look closer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", health)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tool(name: str) -> str:
    """The program beside this Python, as pip has put it there; else the one that PATH finds."""
    beside = pathlib.Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing: pip install -r .ci/stores.txt")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
