"""The program `landfall`, run on this machine."""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Any

from landfall_provider.errors import LandfallError

log = logging.getLogger(__name__)

_LEVELS = {"ERROR": logging.ERROR, "WARN": logging.WARNING, "INFO": logging.INFO}
# What every line has, or Airflow adds itself.
_NOT_SHOWN = frozenset({"timestamp", "level", "message", "target", "span"})
_ENDS_KEPT = 3
# What a function returns is less; a landed job's line, which may be more, is not looked at.
_MAX_RESULT = 1 << 20


class LandfallProgram:
    """Runs `landfall`, which logs to the task's log.

    :param program: the program's name or path
    :param config: `--config`; default: what `LANDFALL_CONFIG` names
    :param data: `--data`: the folder of this machine's store, where the configuration names no buckets
    """

    def __init__(self, program: str = "landfall", config: str | None = None, data: str | None = None) -> None:
        self._program = program
        options = {"--config": config, "--data": data}
        self._options = [word for option, value in options.items() if value for word in (option, value)]
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Calls a function once; what it returns."""
        return self._read(self._run(["invoke", function, "-"], json.dumps(event).encode()))

    async def call_async(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """The same, where nothing may block."""
        pipe = asyncio.subprocess.PIPE
        words = self._words(["invoke", function, "-"])
        try:
            process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise self._missing(error) from None
        try:
            out, said = await process.communicate(json.dumps(event).encode())
        except asyncio.CancelledError:
            process.kill()
            raise
        ends = _tell(said.splitlines())
        return self._read(_result(out, process.returncode, ends))

    def land(self, job: dict[str, Any]) -> dict[str, Any]:
        """Lands a job that has ended, all at once."""
        to = ["--destination", job["destination"]] if job.get("destination") else []
        self._run(["resume", job["connection"], job["job_request_id"], *to])
        # The line that it prints has the whole manifest in it, which may be large.
        published = self.call("publish", job)
        if published.pop("register_table", False):
            # It is in the table by then: this says where.
            published["registered"] = self.call("register-table", job)["tables"]
        return published

    def stop(self) -> None:
        """Asks the program to stop, which it does at once; what it has done so far is kept."""
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def _words(self, words: list[str]) -> list[str]:
        return [self._program, *words, "--json", "--log", *self._options]

    def _run(self, words: list[str], given: bytes = b"") -> bytes:
        # Files, as only one pipe can be read to its end before the process has ended.
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
            stdin.write(given)
            stdin.seek(0)
            try:
                self._process = subprocess.Popen(self._words(words), stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
            except OSError as error:
                raise self._missing(error) from None
            with self._process as process:
                ends = _tell(process.stderr or ())
            stdout.seek(0)
            return _result(stdout.read(_MAX_RESULT), process.returncode, ends)

    def _read(self, out: bytes) -> dict[str, Any]:
        try:
            result = json.loads(out)
        except ValueError:
            result = None
        if not isinstance(result, dict):
            raise LandfallError(
                "InvalidConfig", f"{self._program} did not answer as landfall does: name another program"
            )
        return result

    def _missing(self, error: OSError) -> LandfallError:
        message = f"{self._program} cannot be started ({error.strerror}): install landfall where tasks and triggers run"
        return LandfallError("InvalidConfig", message)


def _tell(lines: Iterable[bytes]) -> list[str]:
    """Passes on what the program logs; its last lines that are no log, which say why it could not even begin."""
    ends: collections.deque[str] = collections.deque(maxlen=_ENDS_KEPT)
    for line in lines:
        text = line.decode(errors="replace").rstrip()
        try:
            fields = json.loads(text)
            level = _LEVELS.get(fields["level"], logging.DEBUG)
        except (ValueError, TypeError, KeyError):
            log.info("%s", text)
            ends.append(text)
            continue
        more = (f"{name}={value}" for name, value in fields.items() if name not in _NOT_SHOWN)
        log.log(level, "%s", " ".join([fields.get("message", ""), *more]))
    return list(ends)


def _result(out: bytes, code: int | None, ends: list[str]) -> bytes:
    """What the program has printed; an error where it has failed."""
    if code == 0:
        return out
    try:
        error = json.loads(out.splitlines()[-1])["error"]
        name, message = error["type"], error["message"]
    except (IndexError, ValueError, KeyError, TypeError):
        said = "; ".join(ends) or "it has said nothing"
        # A signal's number, as it is, or as a shell or a container tells it.
        name = "Stopped" if code is None or code < 0 or code > 128 else "InvalidConfig"
        message = f"landfall ended with {code}: {said}"
    raise LandfallError(name, message)
