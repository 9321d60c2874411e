"""The task: one run key, one job, however often it is tried, and what Airflow gets to know of it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from landfall_provider.airflow_versions import (
    HEEDS_RESCHEDULES,
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    ResumableJobMixin,
)
from landfall_provider.operators import landfall
from landfall_provider.operators.landfall import LandfallRunOperator, note_key, run_key
from landfall_provider.triggers.landfall import LandfallTrigger

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:
    from airflow.exceptions import TaskDeferred

try:
    from airflow.sdk import Asset
except ImportError:
    from airflow.datasets import Dataset as Asset

EVENT = {"connection": "pod", "export": {"kind": "fusion_extract", "extract": "SimpleCarriers"}, "destination": "lake"}
JOB = {"connection": "pod", "job_request_id": "7"}
SUBMITTED = {"job_request_id": "7", "already_submitted": False, "landed": False, "recurring": False, "wait_seconds": 0}
RUNNING = {"state": "running", "native_status": "RUNNING", "progress": 50, "wait_seconds": 60}
SUCCEEDED = {"state": "succeeded", "native_status": "SUCCEEDED"}
PUBLISHED = {
    "bucket": "landing",
    "manifest_key": "pod/SimpleCarriers/7/_manifest.json",
    "state": "succeeded",
    "totals": {"objects": 7, "bytes": 2001781, "rows": 12000},
    "already_published": False,
}
KEY = "dag:land:manual__2026-11-21T06:00:00+00:00"
LANDED = {**JOB, "run_key": KEY, **PUBLISHED}


class OutletEvents:
    """Of each asset one; what an asset is found by differs among Airflow's versions."""

    def __init__(self) -> None:
        self.events: dict[str, SimpleNamespace] = {}

    def __getitem__(self, asset: Any) -> SimpleNamespace:
        return self.events.setdefault(asset.uri, SimpleNamespace(extra={}))


def context(note: dict[str, Any] | None = None, **ti: Any) -> dict[str, Any]:
    ids = {"dag_id": "dag", "task_id": "land", "map_index": -1, "run_id": "manual__2026-11-21T06:00:00+00:00"}
    store = {note_key(EVENT | {"run_key": KEY}): note} if note else {}
    return {
        "ti": SimpleNamespace(**ids | ti, stats_tags={}),
        "outlet_events": OutletEvents(),
        "task_state_store": SimpleNamespace(get=store.get, set=store.__setitem__, noted=store),
    }


def operator(**arguments: Any) -> LandfallRunOperator:
    return LandfallRunOperator(**{"task_id": "land", "event": EVENT, "mode": "http", "deferrable": False} | arguments)


@pytest.fixture
def landing(server):
    """A server on which a job runs to its end without a wait."""
    server.answers = {
        "submit": [(200, SUBMITTED)],
        "poll-status": [(200, SUCCEEDED)],
        "fetch-files": [(200, {"complete": True, "files": [{"ordinal": 0, "name": "f", "size": 1}]})],
        "unpack-upload": [(200, {"complete": True})],
        "publish": [(200, PUBLISHED)],
    }
    return server


def test_a_run_is_submitted_waited_for_and_landed(landing) -> None:
    assert operator().execute(context()) == LANDED
    assert landing.functions() == ["submit", "poll-status", "fetch-files", "unpack-upload", "publish"]
    assert landing.asked[0] == ("submit", EVENT | {"run_key": KEY}, "Bearer sesame")


def test_a_run_that_has_landed_before_only_says_so(landing) -> None:
    landing.answers["submit"] = [(200, SUBMITTED | {"already_submitted": True, "landed": True})]
    assert operator().execute(context()) == LANDED
    assert landing.functions() == ["submit", "publish"]


def test_a_source_that_was_not_told_is_told_by_the_next_run(landing) -> None:
    landing.answers["submit"] = [(200, SUBMITTED | {"already_submitted": True, "landed": True})]
    landing.answers["publish"] = [(200, PUBLISHED | {"notify_source": True})]
    assert operator().execute(context()) == LANDED
    assert landing.functions() == ["submit", "publish", "fetch-files"]


def test_a_recurring_request_ends_with_its_submission(landing) -> None:
    landing.answers["submit"] = [(200, SUBMITTED | {"recurring": True})]
    told = context()
    assert operator().execute(told) == {**JOB, "run_key": KEY, "recurring": True}
    assert landing.functions() == ["submit"]


def test_the_event_may_be_a_file_and_name_its_run_key(landing) -> None:
    """Airflow has read the file by then, as `.json` is among the extensions of templates."""
    assert ".json" in LandfallRunOperator.template_ext
    operator(event=json.dumps(EVENT | {"run_key": "carriers-2026"})).execute(context())
    assert landing.asked[0][1]["run_key"] == "carriers-2026"


def test_a_job_that_is_there_is_continued(landing) -> None:
    job = JOB | {"destination": "lake"}
    assert operator(event=job).execute(context()) == {**job, **PUBLISHED}
    assert landing.asked[0][:2] == ("poll-status", job)


@pytest.mark.parametrize("event", ["{", "[]", [], {"export": {}}])
def test_an_event_that_is_none_is_refused_before_anything_is_called(landing, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="InvalidEvent"):
        operator(event=event).execute(context())
    assert landing.asked == []


def test_a_mode_that_is_none_is_refused_with_the_dag() -> None:
    with pytest.raises(ValueError, match="'command' or 'http'"):
        operator(mode="lambda")


# One run key, one job.


def test_a_run_key_is_the_task_of_the_dag_run() -> None:
    assert run_key(context()["ti"]) == KEY
    assert run_key(context(map_index=3)["ti"]) == KEY.replace("land", "land+3")


def test_a_run_key_is_one_that_landfall_takes_and_nobody_elses() -> None:
    valid = re.compile(r"[A-Za-z0-9_.:+-]{1,128}")
    runs = [
        {"dag_id": "d" * 250, "task_id": "t" * 250},
        {"dag_id": "d" * 250, "task_id": "t" * 249 + "u"},
        {"run_id": "nightly run"},
        {"run_id": "nightly/run"},
        {"dag_id": "a.b", "task_id": "c"},
        {"dag_id": "a", "task_id": "b.c"},
        {"task_id": "land", "map_index": 1},
        {"task_id": "land"},
    ]
    keys = [run_key(context(**run)["ti"]) for run in runs]
    assert all(valid.fullmatch(key) for key in keys), keys
    assert len(set(keys)) == len(keys)
    assert keys == [run_key(context(**run)["ti"]) for run in runs]


def test_a_try_after_a_worker_that_died_before_its_note_has_the_same_run_key(landing) -> None:
    operator().execute(context())
    landing.answers["submit"] = [(200, SUBMITTED | {"already_submitted": True})]
    assert operator().execute(context()) == LANDED
    first, second = [event for name, event, _ in landing.asked if name == "submit"]
    assert first == second


@pytest.mark.skipif(not hasattr(ResumableJobMixin, "get_job_status"), reason="Airflow keeps no notes below 3.3")
class TestNotes:
    """Where Airflow keeps a note of the job, the next try goes on from it."""

    def test_the_job_is_noted_before_it_is_waited_for(self, landing) -> None:
        landing.answers["poll-status"] = [(200, RUNNING)]
        told = context()
        with pytest.raises(AirflowRescheduleException):
            operator().execute(told)
        assert list(told["task_state_store"].noted.values()) == [JOB]
        assert told["task_state_store"].noted == context(note=JOB)["task_state_store"].noted

    @pytest.mark.parametrize("polls", [[SUCCEEDED], [RUNNING | {"wait_seconds": 0}, SUCCEEDED]])
    def test_a_noted_job_is_gone_on_with_and_has_a_result(self, landing, polls: list) -> None:
        landing.answers["poll-status"] = [(200, polled) for polled in polls]
        assert operator(deferrable=False).execute(context(note=JOB)) == LANDED
        assert "submit" not in landing.functions()
        assert landing.functions().count("poll-status") == len(polls)

    def test_a_task_that_is_cleared_with_another_run_key_is_another_run(self, landing) -> None:
        operator(event=EVENT | {"run_key": "once-more"}).execute(context(note=JOB))
        assert landing.asked[0][:2] == ("submit", EVENT | {"run_key": "once-more"})

    def test_a_noted_job_that_has_failed_is_not_submitted_anew(self, landing) -> None:
        landing.answers["poll-status"] = [(200, {"state": "failed", "native_status": "ERROR"})]
        with pytest.raises(AirflowFailException, match="JobFailed"):
            operator().execute(context(note=JOB))
        assert "submit" not in landing.functions()

    def test_a_noted_recurring_request_is_not_asked_for(self, landing) -> None:
        result = operator().execute(context(note=JOB | {"recurring": True}))
        assert result == {**JOB, "run_key": KEY, "recurring": True}
        assert landing.asked == []


# Waiting without a worker's slot.


def test_a_job_that_runs_is_waited_for_in_the_triggerer(landing) -> None:
    landing.answers["poll-status"] = [(200, RUNNING), (200, RUNNING | {"wait_seconds": 0}), (200, SUCCEEDED)]
    task = operator(deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context())
    trigger = deferred.value.trigger
    assert (trigger.wait_seconds, trigger.job) == (60, JOB)
    assert "fetch-files" not in landing.functions()
    # What is kept of it is JSON, and makes it again.
    path, arguments = json.loads(json.dumps(trigger.serialize()))
    assert path == "landfall_provider.triggers.landfall.LandfallTrigger"
    assert "sesame" not in str(arguments)
    event = fired(LandfallTrigger(**arguments | {"wait_seconds": 0}))
    assert deferred.value.method_name == "execute_complete"
    assert operator(deferrable=True).execute_complete(context(), event=event) == LANDED


def test_a_job_that_was_just_submitted_is_not_asked_for_at_once(landing) -> None:
    landing.answers["submit"] = [(200, SUBMITTED | {"wait_seconds": 25})]
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True).execute(context())
    assert deferred.value.trigger.wait_seconds == 25
    assert landing.functions() == ["submit"]


def fired(trigger: LandfallTrigger) -> dict[str, Any]:
    """The one event of a trigger."""

    async def events() -> list[TriggerEvent]:
        return [event async for event in trigger.run()]

    (event,) = asyncio.run(events())
    return json.loads(json.dumps(event.payload))


def test_a_trigger_runs_the_program_where_the_task_does(program) -> None:
    path = program("print(json.dumps({'state': 'succeeded', 'native_status': sys.argv[1]}))")
    caller = {"program": path, "config": None, "data": None}
    event = fired(LandfallTrigger(job=JOB, wait_seconds=0, caller=caller))
    assert event == {"job": JOB, "polled": {"state": "succeeded", "native_status": "invoke"}}


@pytest.mark.parametrize(("name", "error"), [("JobTimedOut", AirflowFailException), ("Damaged", AirflowException)])
def test_what_a_trigger_fails_over_is_the_tasks_error(server, name: str, error: type[Exception]) -> None:
    answer = {"errorType": name, "errorMessage": "what happened", "retryable": False}
    server.answers = {"poll-status": [(422, answer)]}
    event = fired(LandfallTrigger(job=JOB, wait_seconds=0, caller={"landfall_conn_id": "landfall_default"}))
    with pytest.raises(AirflowException, match=f"{name}: what happened") as raised:
        operator().execute_complete(context(), event=event)
    assert isinstance(raised.value, AirflowFailException) is (error is AirflowFailException)


@pytest.mark.skipif(not HEEDS_RESCHEDULES, reason="this Airflow reschedules sensors alone")
def test_without_a_triggerer_the_task_is_rescheduled(landing) -> None:
    landing.answers["poll-status"] = [(200, RUNNING)]
    with pytest.raises(AirflowRescheduleException) as raised:
        operator().execute(context())
    wait = raised.value.reschedule_date - datetime.now(timezone.utc)
    assert 50 < wait.total_seconds() <= 60


@pytest.mark.parametrize(("heeds", "seconds"), [(False, 60), (True, 9)])
def test_where_a_reschedule_would_not_be_heeded_or_worth_it_the_task_waits(
    landing, monkeypatch: pytest.MonkeyPatch, heeds: bool, seconds: int
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(landfall, "HEEDS_RESCHEDULES", heeds)
    monkeypatch.setattr(landfall.time, "sleep", waits.append)
    running = RUNNING | {"wait_seconds": seconds}
    landing.answers["poll-status"] = [(200, running), (200, running), (200, SUCCEEDED)]
    landing.answers["fetch-files"].insert(0, (200, {"complete": False, "files": [], "wait_seconds": seconds}))
    assert operator().execute(context()) == LANDED
    assert waits == [seconds] * 3


def test_a_source_that_is_not_ready_with_its_files_is_waited_for_alike(landing) -> None:
    landing.answers["fetch-files"] = [(200, {"complete": False, "files": [], "wait_seconds": 30})]
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True).execute(context())
    assert deferred.value.trigger.wait_seconds == 30


# What Airflow gets to know.


def test_outlets_are_told_of_the_manifest(landing) -> None:
    asset, told = Asset("landfall://lake/carriers"), context()
    operator(outlets=[asset]).execute(told)
    assert told["outlet_events"][asset].extra == LANDED


@pytest.mark.parametrize(
    ("status", "name", "is_final"),
    [
        (422, "AuthRejected", True),
        (422, "UnsafeArchive", True),
        (400, "InvalidEvent", True),
        (422, "IntegrityError", False),
    ],
)
def test_errors_that_need_a_person_are_final(landing, status: int, name: str, is_final: bool) -> None:
    answer = {"errorType": name, "errorMessage": "what happened", "retryable": False}
    landing.answers["unpack-upload"] = [(status, answer)]
    with pytest.raises(AirflowException, match=f"{name}: what happened") as raised:
        operator().execute(context())
    assert isinstance(raised.value, AirflowFailException) is is_final


def test_whoever_ends_the_task_is_told_how_to_go_on(
    landing, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def said() -> str:
        # Airflow's versions log in different ways.
        text = "".join([caplog.text, *capsys.readouterr()])
        caplog.clear()
        return text

    task = operator()
    with caplog.at_level(logging.WARNING):
        task.on_kill()
        assert "to continue, clear this task" in said()
        task.execute(context())
        task.on_kill()
        assert "landfall resume pod 7" in said()


def test_ending_the_task_stops_the_program(program, monkeypatch: pytest.MonkeyPatch) -> None:
    task = operator(mode="command", program=program("pass"))
    stopped = []
    monkeypatch.setattr(type(task._caller), "stop", lambda self: stopped.append(self))
    task.on_kill()
    assert stopped == [task._caller]


def test_what_may_be_templated_is_what_a_person_would() -> None:
    assert set(LandfallRunOperator.template_fields) == {"event", "landfall_conn_id", "program", "config", "data"}
