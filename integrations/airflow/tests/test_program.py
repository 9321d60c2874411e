"""The program on the worker: what it is given, what it says, how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import threading

import pytest

from landfall_provider.errors import LandfallError
from landfall_provider.program import LandfallProgram

JOB = {"connection": "pod", "job_request_id": "7"}
# Says what it was given.
TELLING = """
said = {"arguments": sys.argv[1:], "event": json.load(sys.stdin) if sys.argv[1] == "invoke" else None}
print(json.dumps(said))
"""


def test_a_function_is_called_with_its_event_and_the_options(program) -> None:
    landfall = LandfallProgram(program(TELLING), config="landfall.toml", data="/var/landfall")
    said = landfall.call("poll-status", JOB)
    assert said["event"] == JOB
    assert said["arguments"] == [
        "invoke",
        "poll-status",
        "-",
        "--json",
        "--log",
        "--config",
        "landfall.toml",
        "--data",
        "/var/landfall",
    ]
    assert asyncio.run(landfall.call_async("poll-status", JOB)) == said


def test_a_job_is_landed_by_one_process_and_its_manifest_looked_up(program) -> None:
    """The line that it prints may be larger than memory: it is not read."""
    landfall = LandfallProgram(
        program(
            """
with open(sys.argv[0] + ".called", "a") as called:
    called.write(" ".join(sys.argv[1:4]) + "\\n")
print('{"manifest":' + "1" * 3_000_000 if sys.argv[1] == "resume" else '{"manifest_key": "k"}')
"""
        )
    )
    assert landfall.land(JOB | {"destination": "lake"}) == {"manifest_key": "k"}
    with open(landfall._program + ".called") as called:
        assert called.read().splitlines() == ["resume pod 7", "invoke publish -"]


def test_its_log_is_the_tasks_log(program, caplog: pytest.LogCaptureFixture) -> None:
    line = json.dumps({"timestamp": "t", "level": "WARN", "message": "the source is slow", "connection": "pod"})
    landfall = LandfallProgram(
        program(f"print({line!r}, file=sys.stderr)\nprint('retrying', file=sys.stderr)\nprint('{{}}')")
    )
    with caplog.at_level(logging.INFO):
        landfall.call("publish", JOB)
        asyncio.run(landfall.call_async("publish", JOB))
    said = [(record.levelname, record.getMessage()) for record in caplog.records if "landfall" in record.name]
    assert said == [("WARNING", "the source is slow connection=pod"), ("INFO", "retrying")] * 2


@pytest.mark.parametrize(
    ("lines", "name", "is_final"),
    [
        ("""print('{"error": {"type": "Throttled", "message": "slow down"}}'); sys.exit(1)""", "Throttled", False),
        ("""print('{"error": {"type": "JobFailed", "message": "it is over"}}'); sys.exit(1)""", "JobFailed", True),
        ("""print('{"error": {"type": "Stopped", "message": "SIGTERM"}}'); sys.exit(143)""", "Stopped", False),
        ("os.kill(os.getpid(), 9)", "Stopped", False),
        ("sys.exit(137)", "Stopped", False),
        ("print('unexpected argument', file=sys.stderr); sys.exit(2)", "InvalidConfig", True),
    ],
)
def test_its_failure_has_its_name(program, lines: str, name: str, is_final: bool) -> None:
    landfall = LandfallProgram(program(lines))
    for call in (landfall.call, lambda *of: asyncio.run(landfall.call_async(*of))):
        with pytest.raises(LandfallError) as raised:
            call("publish", JOB)
        assert (raised.value.error_type, raised.value.is_final) == (name, is_final)
    if "unexpected" in lines:
        assert "unexpected argument" in raised.value.message


def test_a_program_that_is_not_there_is_named() -> None:
    landfall = LandfallProgram("/no/such/landfall")
    for call in (landfall.call, lambda *of: asyncio.run(landfall.call_async(*of))):
        with pytest.raises(LandfallError, match="/no/such/landfall cannot be started") as raised:
            call("publish", JOB)
        assert raised.value.is_final


@pytest.mark.parametrize("lines", ["print('hello')", "print('[]')", "sys.stdout.buffer.write(bytes([255]))"])
def test_a_program_that_is_another_is_named(program, lines: str) -> None:
    landfall = LandfallProgram(program(lines))
    for call in (landfall.call, lambda *of: asyncio.run(landfall.call_async(*of))):
        with pytest.raises(LandfallError, match="did not answer as landfall does") as raised:
            call("publish", JOB)
        assert raised.value.is_final


def test_it_can_be_stopped_in_the_middle(program) -> None:
    landfall = LandfallProgram(program("print('begun', file=sys.stderr, flush=True)\nos.read(os.pipe()[0], 1)"))
    begun = threading.Event()

    class Begun(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            begun.set()

    log = logging.getLogger("landfall_provider.program")
    handler, level = Begun(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        stopper = threading.Thread(target=lambda: begun.wait(30) and landfall.stop())
        stopper.start()
        with pytest.raises(LandfallError, match="Stopped"):
            landfall.call("publish", JOB)
        stopper.join()
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def test_what_it_is_made_with_holds_no_secret() -> None:
    """It is what a trigger keeps."""
    with pytest.raises(TypeError):
        LandfallProgram(environment={"SECRET": "s"})  # type: ignore[call-arg]
