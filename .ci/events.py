"""Uses every event in events/, one function at a time, against `landfall simulate`.

usage: events.py LANDFALL [cargo-lambda]

The functions are called by `landfall invoke`, or, with the second argument, by `cargo lambda invoke`. Each time
the data folder is new, so that the simulator's first job has the id that the events name.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator

EVENTS = pathlib.Path(__file__).resolve().parent.parent / "events"
JOB = "44046"
# A first call waits for its function to start.
PATIENCE = 120

Call = Callable[[str, str], dict]


def main(landfall: str, by_cargo_lambda: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, simulated(landfall, folder) as config:
        if by_cargo_lambda:
            with watched(config) as call:
                one_function_at_a_time(call, folder)
        else:
            used = one_function_at_a_time(invoked(landfall, folder, config), folder)
            used |= whole_runs(landfall, folder, config)
            assert used == {path.name for path in EVENTS.iterdir()}, "an event is not used"


def one_function_at_a_time(call: Call, folder: str) -> set[str]:
    """Lands a job call by call; returns the events that were used."""
    submitted = call("submit", "submit.json")
    accepted = {"job_request_id": JOB, "already_submitted": False, "landed": False, "recurring": False}
    assert submitted == accepted, submitted
    repeat(call, "poll-status", "poll-status.json", lambda polled: polled["state"] == "succeeded")
    fetched = repeat(call, "fetch-files", "fetch-files.json", lambda fetched: fetched["complete"])
    first = repeat(call, "unpack-upload", "unpack-upload.json", lambda unpacked: unpacked["complete"])
    others = repeat(call, "unpack-upload", "unpack-upload-s3.json", lambda unpacked: unpacked["complete"])
    published = call("publish", "publish.json")
    assert not published["already_published"], published
    for count in ("objects", "bytes", "rows"):
        assert published["totals"][count] == first[count] + others[count], (count, published, first, others)
    assert len(fetched["files"]) == 6 and published["totals"]["objects"] >= 6, fetched
    assert call("submit", "submit.json") == accepted | {"already_submitted": True, "landed": True}
    swept = call("sweep", "sweep.json")
    assert swept["landed"] == 1 and JOB not in [job["job_request_id"] for job in swept["jobs"]], swept
    drop(pathlib.Path(folder, "work/inbox/orders.zip"))
    taken = call("take-in", "take-in.json")
    assert [file["name"] for file in taken["files"]] == ["orders.zip"], taken
    assert call("take-in", "take-in.json") == taken
    return {
        "take-in.json", "submit.json", "poll-status.json", "fetch-files.json",
        "unpack-upload.json", "unpack-upload-s3.json", "publish.json", "sweep.json",
    }


def drop(path: pathlib.Path) -> None:
    """Puts an archive into the inbox: objects of the embedded store are files."""
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("orders.csv", "ID\n1\n")


# The run events, and whether the events that are used before them have landed their job.
RUNS = (
    ("run-fusion-extract.json", True),
    ("run-scheduled.json", False),
    ("run-epm-job.json", False),
    ("run-folio-export.json", False),
    ("run-fusion-rest.json", False),
)


def whole_runs(landfall: str, folder: str, config: pathlib.Path) -> set[str]:
    """Runs the run events: the first is the run that has landed by now."""
    for event, already_landed in RUNS:
        line = result([landfall, "run", str(EVENTS / event), "--config", str(config), "--data", folder, "--json"])
        assert line["already_landed"] is already_landed, line
        assert line["manifest"]["state"] == "succeeded", line
    return {event for event, _ in RUNS}


def repeat(call: Call, function: str, event: str, is_done: Callable[[dict], bool]) -> dict:
    for _ in range(20):
        answer = call(function, event)
        if is_done(answer):
            return answer
        time.sleep(min(answer.get("wait_seconds", 0), 2))
    raise AssertionError(f"{function} does not come to an end: {answer}")


def invoked(landfall: str, folder: str, config: pathlib.Path) -> Call:
    options = ["--config", str(config), "--data", folder]
    return lambda function, event: result([landfall, "invoke", function, str(EVENTS / event), *options])


@contextlib.contextmanager
def watched(config: pathlib.Path) -> Iterator[Call]:
    """The functions behind `cargo lambda watch`."""
    port = str(free_port())
    command = ["cargo", "lambda", "watch", "--ignore-changes", "-A", "127.0.0.1", "-P", port]
    log = config.parent / "watch.log"
    with started(command, log, {"LANDFALL_CONFIG": f"file:{config}"}):
        wait_for(lambda: can_connect(int(port)), log)
        at = ["--invoke-address", "127.0.0.1", "--invoke-port", port]

        def call(function: str, event: str) -> dict:
            try:
                return result(["cargo", "lambda", "invoke", function, "--data-file", str(EVENTS / event), *at])
            except (AssertionError, subprocess.TimeoutExpired):
                print(log.read_text()[-4000:], file=sys.stderr)
                raise

        yield call


@contextlib.contextmanager
def simulated(landfall: str, folder: str) -> Iterator[pathlib.Path]:
    """`landfall simulate` on a free port; what it prints is the configuration."""
    config = pathlib.Path(folder, "simulated.toml")
    command = [landfall, "simulate", "--port", "0", "--data", folder]
    with started(command, config, {}):
        wait_for(lambda: "[connections.fusion-demo" in config.read_text(), config)
        assert "[work" in config.read_text(), "landfall simulate names no work bucket"
        yield config


@contextlib.contextmanager
def started(command: list[str], output: pathlib.Path, environment: dict[str, str]) -> Iterator[None]:
    with output.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=None if output.suffix == ".toml" else out,
            env=os.environ | environment, start_new_session=True,
        )
    try:
        yield
    finally:
        # Its whole group: `cargo lambda watch` starts every function as a process of its own.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def result(command: list[str]) -> dict:
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stdout.decode()}"
    return json.loads(done.stdout)


def wait_for(is_there: Callable[[], bool], log: pathlib.Path) -> None:
    for _ in range(300):
        if is_there():
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing happens: {log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["cargo-lambda"])
