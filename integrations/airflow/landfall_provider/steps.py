"""The steps of a run, by calls of landfall's functions: what the state machine and `landfall run` do.

A call may be made again at any time, by anybody: each function goes on from what is stored.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from landfall_provider.errors import LandfallError
from landfall_provider.retries import MAX_RETURNS, Retries

log = logging.getLogger(__name__)

Event = dict[str, Any]
Result = dict[str, Any]
Call = Callable[[str, Event], Result]

# Each brings several members of its own.
FILES_AT_ONCE = 3


class NotReady(Exception):
    """The source does not provide all of its files yet: the job is to be gone on with after so many seconds."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(wait_seconds)
        self.wait_seconds = wait_seconds


def retrying(call: Call, sleep: Callable[[float], object] = time.sleep) -> Call:
    """The same call, made again where that can help."""

    def repeated(function: str, event: Event) -> Result:
        retries = Retries(function)
        while True:
            try:
                return call(function, event)
            except LandfallError as error:
                sleep(_wait(function, error, retries))

    return repeated


async def retrying_async(
    call: Callable[[str, Event], Awaitable[Result]],
    function: str,
    event: Event,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Result:
    """What `retrying` does, where nothing may block."""
    retries = Retries(function)
    while True:
        try:
            return await call(function, event)
        except LandfallError as error:
            wait = _wait(function, error, retries)
        await sleep(wait)


def _wait(function: str, error: LandfallError, retries: Retries) -> float:
    wait = retries.wait_after(error)
    if wait is None:
        raise error
    log.warning("%s: %s; retrying in %.0f s", function, error, wait)
    return wait


def must_land(job: Event, polled: Result) -> None:
    """An error where a job has not ended well."""
    state, said = polled["state"], polled.get("message") or "the source gives no reason"
    if state in ("succeeded", "partial", "empty"):
        return
    name = f"job {job['job_request_id']} on {job['connection']}"
    if state == "needs_attention":
        what_now = "decide in the source's own user interface what becomes of it, then clear this task"
    elif state in ("failed", "cancelled"):
        what_now = (
            "once the cause is fixed, run the export again under another run key (a new DAG run has one); or restart "
            "the job at the source under its id, then clear this task"
        )
    else:
        raise LandfallError("UnknownStatus", f"{name}: poll-status answered the state {state!r}: update this provider")
    raise LandfallError(
        "JobFailed", f"{name} ended as {polled['native_status']} ({state}): {said}; what to do: {what_now}"
    )


def land(call: Call, job: Event) -> Result:
    """Lands a job that has ended: fetch-files, unpack-upload for each file, publish.

    What is gone when a step needs it, a staged file or an object that has landed, is made again.
    """
    returns = 0
    while True:
        ordinals = _fetch(call, job)
        try:
            _unpack(call, job, ordinals)
            return publish(call, job)
        except LandfallError as error:
            if error.error_type == "NotFound" and returns < MAX_RETURNS:
                returns += 1
            # How often that may be is counted where the damage is noted.
            elif error.error_type != "Damaged":
                raise
            log.warning("%s; going back to the files", error)


def publish(call: Call, job: Event) -> Result:
    """Publishes a job, and has its source told where that wants to know: whatever becomes of it, the job has landed. Where the
    destination names a table, what has landed is appended to it."""
    published = call("publish", job)
    if published.pop("notify_source", False):
        try:
            call("fetch-files", job)
        except LandfallError as error:
            log.warning("whether the source was told that the job has landed is not known: %s", error)
    if published.pop("register_table", False):
        published["registered"] = call("register-table", job)["tables"]
    return published


def _fetch(call: Call, job: Event) -> range | list[int]:
    while True:
        fetched = call("fetch-files", job)
        if fetched["complete"]:
            listing = fetched.get("listed_in")
            return range(listing["count"]) if listing else [file["ordinal"] for file in fetched["files"]]
        if fetched.get("wait_seconds") is not None:
            raise NotReady(fetched["wait_seconds"])


def _unpack(call: Call, job: Event, ordinals: range | list[int]) -> None:
    """After a failure no file is begun any more, and those under way come to their own end."""
    failed = threading.Event()

    def unpack(ordinal: int) -> None:
        try:
            while not failed.is_set() and not call("unpack-upload", job | {"ordinal": ordinal})["complete"]:
                pass
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(FILES_AT_ONCE) as threads:
        unpacking = [threads.submit(unpack, ordinal) for ordinal in ordinals]
        try:
            for unpacked in unpacking:
                unpacked.result()
        finally:
            # Also where this thread is to end before its time.
            failed.set()
