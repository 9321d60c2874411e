"""A run of landfall as a task."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any, Literal

from landfall_provider.airflow_versions import (
    HEEDS_RESCHEDULES,
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    BaseOperator,
    ResumableJobMixin,
    conf,
)
from landfall_provider.errors import LandfallError
from landfall_provider.hooks.landfall import LandfallHook
from landfall_provider.program import LandfallProgram
from landfall_provider.steps import NotReady, land, must_land, publish, retrying
from landfall_provider.triggers.landfall import LandfallTrigger, caller_of, how_to_go_on, progress

_MAX_RUN_KEY = 128
# A worker takes some seconds to end, and the scheduler takes a task for lost that is to start again before it has heard
# of that. Whoever polls more often has short jobs.
_MIN_RESCHEDULE_SECONDS = 10
_JOB_FIELDS = ("connection", "job_request_id", "destination")


class LandfallRunOperator(ResumableJobMixin, BaseOperator):
    """Submits an export job, waits for it, and lands its files, whole and verified.

    However often the task is tried, and wherever a worker dies, it is one job at the source: a run has one run key, and
    a run key one job.

    It returns, as its XCom, where the manifest is and what it counts: `connection`, `job_request_id`, `run_key`,
    `state`, `bucket`, `manifest_key`, `totals`, `already_published`. Its outlets' asset events have the same as their
    `extra`.

    :param event: a run event, or a JSON file with one. Without a `run_key` the DAG run is the run key, with the task
        and the map index. With a `job_request_id` in the place of an `export` it continues that job, whoever submitted
        it.
    :param mode: `command` runs the program `landfall` on the worker; `http` calls `landfall serve`
    :param landfall_conn_id: where `landfall serve` is, by `http`
    :param program: the program, by `command`
    :param config: its `--config`; default: what `LANDFALL_CONFIG` names
    :param data: its `--data`
    :param deferrable: wait in the triggerer; otherwise the task is rescheduled while its job runs
    """

    template_fields: Sequence[str] = ("event", "landfall_conn_id", "program", "config", "data")
    template_ext: Sequence[str] = (".json",)
    template_fields_renderers = {"event": "json"}
    ui_color = "#d7e8dc"

    # The job, once it is known; what has become of it, once it has landed.
    _job: dict[str, Any] | None = None
    _result: dict[str, Any] | None = None
    _has_landed = False
    # What a source has just said of a noted job is not asked for again, and of a new one it has nothing to say yet.
    _polled: dict[str, Any] | None = None
    _first_wait: float = 0

    def __init__(
        self,
        *,
        event: dict[str, Any] | str,
        mode: Literal["command", "http"] = "command",
        landfall_conn_id: str = LandfallHook.default_conn_name,
        program: str = "landfall",
        config: str | None = None,
        data: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in ("command", "http"):
            raise ValueError(f"mode is {mode!r}: it is 'command' or 'http'")
        self.event = event
        self.mode = mode
        self.landfall_conn_id = landfall_conn_id
        self.program = program
        self.config = config
        self.data = data
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        with self._as_airflow_errors():
            self.external_id_key = note_key(self._event(context))
            return self.execute_resumable(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Goes on once the trigger has seen the job end."""
        with self._as_airflow_errors():
            job = self._job = event["job"]
            if "error" in event:
                raise LandfallError.of_event(event["error"])
            self.log.info("%s", progress(job, event["polled"]))
            must_land(job, event["polled"])
            return self.get_job_result(job, context)

    def submit_job(self, context: Any) -> dict[str, Any]:
        """Submits the run's job, or finds the one that it has; the note by which a later try finds it, too."""
        event = self._event(context)
        if "job_request_id" in event:
            return _job_of(event)
        self.log.info("submitting run %s on %s", event["run_key"], event.get("connection"))
        submitted = self._call("submit", event)
        self._has_landed = submitted["landed"]
        self._first_wait = submitted.get("wait_seconds", 0)
        job = self._job = {"connection": event["connection"], "job_request_id": submitted["job_request_id"]}
        found = "has its job already" if submitted["already_submitted"] else "is submitted"
        self.log.info("run %s %s: job %s", event["run_key"], found, job["job_request_id"])
        return job | ({"recurring": True} if submitted["recurring"] else {})

    def get_job_status(self, external_id: dict[str, Any], context: Any) -> str:
        if external_id.get("recurring"):
            return "succeeded"
        self._polled = self._poll(external_id)
        return self._polled["state"]

    def is_job_active(self, status: str) -> bool:
        # A job that has ended badly is the run's job as well, and not submitted anew under its key.
        return not self.is_job_succeeded(status)

    def is_job_succeeded(self, status: str) -> bool:
        return status in ("succeeded", "partial", "empty")

    def poll_until_complete(self, external_id: dict[str, Any], context: Any) -> dict[str, Any]:
        """Waits for the job and lands it. What it returns is the result of a job that an earlier try had submitted."""
        if not external_id.get("recurring") and not self._has_landed:
            if self._first_wait:
                self._wait(external_id, self._first_wait)
            polled = self._polled or self._poll(external_id)
            while polled["state"] == "running":
                self._wait(external_id, polled["wait_seconds"])
                polled = self._poll(external_id)
            must_land(external_id, polled)
        return self.get_job_result(external_id, context)

    def get_job_result(self, external_id: dict[str, Any], context: Any) -> dict[str, Any]:
        """Lands the job, or finds that it has landed."""
        if self._result is None:
            job = _job_of(external_id)
            run_key = self._event(context).get("run_key")
            about = job | ({"run_key": run_key} if run_key else {})
            landed = {"recurring": True} if external_id.get("recurring") else self._land(job)
            self._result = about | landed
            self._tell_outlets(context, self._result)
        return self._result

    def on_kill(self) -> None:
        caller = self._caller
        if isinstance(caller, LandfallProgram):
            caller.stop()
        if self._job is None:
            self.log.warning(
                "to continue, clear this task: it finds the job that may have been submitted, or submits it"
            )
        else:
            self.log.warning("%s", how_to_go_on(self._job))

    @cached_property
    def _caller(self) -> LandfallHook | LandfallProgram:
        return caller_of(self._caller_arguments())

    def _caller_arguments(self) -> dict[str, Any]:
        if self.mode == "http":
            return {"landfall_conn_id": self.landfall_conn_id}
        return {"program": self.program, "config": self.config, "data": self.data}

    def _call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        return retrying(self._caller.call)(function, event)

    def _event(self, context: Any) -> dict[str, Any]:
        try:
            event = json.loads(self.event) if isinstance(self.event, str) else self.event
        except ValueError as error:
            raise LandfallError("InvalidEvent", f"the event is not JSON: {error}") from None
        if not isinstance(event, dict) or "connection" not in event:
            raise LandfallError("InvalidEvent", "the event is no run event: it names no connection")
        return event if "job_request_id" in event else {"run_key": run_key(context["ti"])} | event

    def _poll(self, noted: dict[str, Any]) -> dict[str, Any]:
        job = self._job = _job_of(noted)
        polled = self._call("poll-status", job)
        self.log.info("%s", progress(job, polled))
        return polled

    def _wait(self, job: dict[str, Any], seconds: float) -> None:
        """Waits without a worker's slot, where Airflow can and it is worth it: then this does not return."""
        job = _job_of(job)
        if self.deferrable:
            trigger = LandfallTrigger(job=job, wait_seconds=seconds, caller=self._caller_arguments())
            self.defer(trigger=trigger, method_name="execute_complete")
        if HEEDS_RESCHEDULES and seconds >= _MIN_RESCHEDULE_SECONDS:
            raise AirflowRescheduleException(datetime.now(timezone.utc) + timedelta(seconds=seconds))
        time.sleep(seconds)

    def _land(self, job: dict[str, Any]) -> dict[str, Any]:
        self._job = job
        while True:
            try:
                if self._has_landed:
                    published = publish(self._call, job)
                elif isinstance(self._caller, LandfallProgram):
                    published = self._caller.land(job)
                else:
                    published = land(self._call, job)
            except NotReady as not_ready:
                self.log.info("the source does not provide all files yet: waiting for %s s", not_ready.wait_seconds)
                self._wait(job, not_ready.wait_seconds)
            else:
                self.log.info("landed: %s: %s", published["manifest_key"], published["totals"])
                return published

    def _tell_outlets(self, context: Any, landed: dict[str, Any]) -> None:
        for outlet in self.outlets:
            # An alias stands for assets that are not known yet.
            if hasattr(outlet, "uri"):
                context["outlet_events"][outlet].extra.update(landed)

    @contextmanager
    def _as_airflow_errors(self) -> Iterator[None]:
        try:
            yield
        except LandfallError as error:
            raise (AirflowFailException if error.is_final else AirflowException)(str(error)) from None


def run_key(ti: Any) -> str:
    """The run key of a task of a DAG run: the same at each of its tries, and no other task's."""
    mapped = f"+{ti.map_index}" if ti.map_index >= 0 else ""
    # No id of a DAG or a task holds a colon.
    key = f"{ti.dag_id}:{ti.task_id}{mapped}:{ti.run_id}"
    if re.fullmatch(rf"[A-Za-z0-9_.:+-]{{1,{_MAX_RUN_KEY}}}", key):
        return key
    digest = _digest(key)
    readable = re.sub(r"[^A-Za-z0-9_.:+-]", "-", key)
    return f"{readable[: _MAX_RUN_KEY - len(digest) - 1]}-{digest}"


def note_key(event: dict[str, Any]) -> str:
    """Where the job of an event is noted. A task that is cleared with another event is another run."""
    return f"landfall_job_{_digest(json.dumps(event, sort_keys=True))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _job_of(noted: dict[str, Any]) -> dict[str, Any]:
    return {field: noted[field] for field in _JOB_FIELDS if noted.get(field) is not None}
