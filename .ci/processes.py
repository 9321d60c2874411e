"""Processes of a test's own, with all that they start, and the ports that they listen on."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator

HOST = "127.0.0.1"


@contextlib.contextmanager
def started(
    command: list, log: pathlib.Path, environment: dict[str, str] | None = None, *,
    folder: pathlib.Path | None = None, stderr: int | None = subprocess.STDOUT, ends_within: float = 20,
) -> Iterator[subprocess.Popen]:
    """A process for as long as it is needed; where nothing is said, in this process's environment and folder."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=out, stderr=stderr, env=environment, cwd=folder,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # Its whole group: what it has started ends with it, and may outlive it.
        signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=ends_within)
        signal_group(process, signal.SIGKILL)
        process.wait()


def signal_group(process: subprocess.Popen, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def wait_until(is_there: Callable[[], bool], process: subprocess.Popen, log: pathlib.Path, seconds: float) -> None:
    """Waits for something that a process is to bring about; an error has the end of what it has said."""
    until = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > until or process.poll() is not None:
            said = log.read_text(errors="replace")[-4000:]
            raise AssertionError(f"{process.args[0]} does not get ready:\n{said}")
        time.sleep(0.05)


@contextlib.contextmanager
def simulated(landfall: str | pathlib.Path, data: pathlib.Path, printed: pathlib.Path, *options) -> Iterator[dict]:
    """`landfall simulate` on a free port; the configuration that it prints is in a file, and is what this yields."""
    with started([landfall, "simulate", "--port", "0", "--data", data, *options], printed, stderr=None) as process:
        wait_until(lambda: configuration(printed) is not None, process, printed, 30)
        yield configuration(printed)


def configuration(printed: pathlib.Path) -> dict | None:
    """A configuration that has been printed to its end."""
    try:
        read = tomllib.loads(printed.read_text())
        lake = read["destinations"]["lake"]
        lake["bucket"] if lake["type"] == "oci" else lake["store"]["secret_access_key"]
    except (KeyError, tomllib.TOMLDecodeError):
        return None
    return read


def free_ports(count: int) -> list[int]:
    """Ports that are free together."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in sockets]


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
