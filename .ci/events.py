"""Uses every event in events/, one function at a time, against `landfall simulate`.

usage: events.py LANDFALL [cargo-lambda]

The functions are called by `landfall invoke`, or, with the second argument, by `cargo lambda invoke`. Each time
the data folder is new, so that the simulator's first job has the id that the events name.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator

from processes import HOST, can_connect, free_ports, simulated, started, wait_until

EVENTS = pathlib.Path(__file__).resolve().parent.parent / "events"
JOB = "44046"
# A first call waits for its function to start.
PATIENCE = 120

Call = Callable[[str, str], dict]


def main(landfall: str, by_cargo_lambda: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "simulated.toml")
        with simulated(landfall, folder, config):
            use_all(landfall, folder, config, by_cargo_lambda)


def use_all(landfall: str, folder: str, config: pathlib.Path, by_cargo_lambda: bool) -> None:
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
    assert submitted == accepted | {"wait_seconds": 1}, submitted
    repeat(call, "poll-status", "poll-status.json", lambda polled: polled["state"] == "succeeded")
    fetched = repeat(call, "fetch-files", "fetch-files.json", lambda fetched: fetched["complete"])
    first = repeat(call, "unpack-upload", "unpack-upload.json", lambda unpacked: unpacked["complete"])
    others = repeat(call, "unpack-upload", "unpack-upload-s3.json", lambda unpacked: unpacked["complete"])
    published = call("publish", "publish.json")
    assert not published["already_published"], published
    for count in ("objects", "bytes", "rows"):
        # What is not counted has no rows.
        totals = [landed.get(count, 0) for landed in (first, others)]
        assert published["totals"].get(count, 0) == sum(totals), (count, published, first, others)
    assert len(fetched["files"]) == 6 and published["totals"]["objects"] >= 6, fetched
    assert call("submit", "submit.json") == accepted | {"already_submitted": True, "landed": True, "wait_seconds": 0}
    swept = call("sweep", "sweep.json")
    assert swept["landed"] == 1 and JOB not in [job["job_request_id"] for job in swept["jobs"]], swept
    verified = call("verify", "verify.json")
    assert (verified["jobs"], verified["findings"], verified["found"]) == (1, 0, []), verified
    assert verified["totals"] == published["totals"], verified
    return {
        "submit.json", "poll-status.json", "fetch-files.json",
        "unpack-upload.json", "unpack-upload-s3.json", "publish.json", "sweep.json", "verify.json",
    }


def drop(path: pathlib.Path) -> None:
    """Puts an archive into the inbox: objects of the embedded store are files."""
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("orders.csv", "ID\n1\n")


def deliver(folder: pathlib.Path) -> None:
    """Puts an archive into a bucket, and a manifest that lists it, as Oracle's tools do."""
    drop(folder / "orders.zip")
    digest = hashlib.sha256((folder / "orders.zip").read_bytes()).hexdigest()
    (folder / "MANIFEST.MF").write_text(f"orders.zip;548174;{digest}\n")


def whole_runs(landfall: str, folder: str, config: pathlib.Path) -> set[str]:
    """Runs the run events: the one that is submit.json's run has landed by now."""
    drop(pathlib.Path(folder, "work/inbox/orders.zip"))
    deliver(pathlib.Path(folder, "uploads/daily"))
    landed = json.loads((EVENTS / "submit.json").read_text())
    runs = sorted(EVENTS.glob("run-*.json"))
    for event in runs:
        line = result([landfall, "run", str(event), "--config", str(config), "--data", folder, "--json"])
        assert line["already_landed"] is (json.loads(event.read_text()) == landed), line
        assert line["manifest"]["state"] == "succeeded", line
    return {event.name for event in runs}


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
    (port,) = free_ports(1)
    command = ["cargo", "lambda", "watch", "--ignore-changes", "-A", HOST, "-P", port]
    log = config.parent / "watch.log"
    with started(command, log, os.environ | {"LANDFALL_CONFIG": f"file:{config}"}) as process:
        wait_until(lambda: can_connect(port), process, log, 30)
        at = ["--invoke-address", HOST, "--invoke-port", str(port)]

        def call(function: str, event: str) -> dict:
            try:
                return result(["cargo", "lambda", "invoke", function, "--data-file", str(EVENTS / event), *at])
            except (AssertionError, subprocess.TimeoutExpired):
                print(log.read_text()[-4000:], file=sys.stderr)
                raise

        yield call


def result(command: list[str]) -> dict:
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stdout.decode()}"
    return json.loads(done.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["cargo-lambda"])
