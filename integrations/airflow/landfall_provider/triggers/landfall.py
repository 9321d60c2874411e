"""Waits for a job without a worker's slot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from landfall_provider.errors import LandfallError
from landfall_provider.hooks.landfall import LandfallHook
from landfall_provider.program import LandfallProgram
from landfall_provider.steps import retrying_async

log = logging.getLogger(__name__)


class LandfallTrigger(BaseTrigger):
    """Asks for a job's state until it has ended.

    Its event is `{"job": …, "polled": …}`, or `{"job": …, "error": …}`.

    :param job: names the job: the event of `poll-status`
    :param wait_seconds: how long to wait before it is asked for the first time
    :param caller: what calls the functions: the arguments of `LandfallProgram`, or of `LandfallHook` if there is a
        `landfall_conn_id` among them. No secret is: what a trigger is made with is kept.
    """

    def __init__(self, job: dict[str, Any], wait_seconds: float, caller: dict[str, Any]) -> None:
        super().__init__()
        self.job = job
        self.wait_seconds = wait_seconds
        self.caller = caller

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {"job": self.job, "wait_seconds": self.wait_seconds, "caller": self.caller}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            landfall = caller_of(self.caller)
            if isinstance(landfall, LandfallHook):
                # Airflow's connections are looked up by calls that block.
                await sync_to_async(lambda: landfall.settings)()
            wait_seconds = self.wait_seconds
            while True:
                await asyncio.sleep(wait_seconds)
                polled = await retrying_async(landfall.call_async, "poll-status", self.job)
                if polled["state"] != "running":
                    yield TriggerEvent({"job": self.job, "polled": polled})
                    return
                log.info("%s", progress(self.job, polled))
                wait_seconds = polled["wait_seconds"]
        except LandfallError as error:
            yield TriggerEvent({"job": self.job, "error": error.as_event()})

    async def on_kill(self) -> None:
        """A person has ended the task; Airflow calls this from 3.3 on."""
        log.warning("%s", how_to_go_on(self.job))


def caller_of(arguments: dict[str, Any]) -> LandfallHook | LandfallProgram:
    """What calls the functions."""
    return LandfallHook(**arguments) if "landfall_conn_id" in arguments else LandfallProgram(**arguments)


def progress(job: dict[str, Any], polled: dict[str, Any]) -> str:
    """Where a job stands, in words."""
    percent = f", {polled['progress']:.0f} %" if polled.get("progress") is not None else ""
    said = f": {polled['message']}" if polled.get("message") else ""
    name = f"job {job['job_request_id']} on {job['connection']}"
    return f"{name} is {polled['state']} ({polled['native_status']}{percent}){said}"


def how_to_go_on(job: dict[str, Any]) -> str:
    """What becomes of a job whose task has been ended."""
    connection, job_request_id = job["connection"], job["job_request_id"]
    return (
        f"job {job_request_id} on {connection} goes on at its source, and what has been fetched and landed of it is "
        f"kept; to continue, clear this task: it lands the same job; or: landfall resume {connection} {job_request_id}"
    )
