"""The steps by HTTP are those of the state machine and of `landfall run`."""

from __future__ import annotations

import threading

import pytest

from landfall_provider.errors import LandfallError
from landfall_provider.steps import NotReady, land, must_land

JOB = {"connection": "pod", "job_request_id": "7"}
PUBLISHED = {"manifest_key": "pod/7/_manifest.json", "totals": {"objects": 2}}


class Functions:
    """Answers calls in the order that a test has put down; an error is raised."""

    def __init__(self, **answers: list) -> None:
        self.answers = {name.replace("_", "-"): list(of) for name, of in answers.items()}
        self.called: list[tuple[str, dict]] = []
        self._lock = threading.Lock()

    def __call__(self, function: str, event: dict) -> dict:
        with self._lock:
            self.called.append((function, event))
            of = self.answers[function]
            answer = of.pop(0) if len(of) > 1 else of[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def names(self) -> list[str]:
        return [name for name, _ in self.called]


def fetched(count: int) -> dict:
    return {"complete": True, "files": [{"ordinal": ordinal, "name": "f", "size": 1} for ordinal in range(count)]}


def test_a_job_is_fetched_unpacked_file_by_file_and_published() -> None:
    functions = Functions(
        fetch_files=[{"complete": False, "files": []}, fetched(2)],
        unpack_upload=[{"complete": False}, {"complete": True}],
        publish=[PUBLISHED],
    )
    assert land(functions, JOB) == PUBLISHED
    assert functions.names() == ["fetch-files"] * 2 + ["unpack-upload"] * 3 + ["publish"]
    unpacked = [event for name, event in functions.called if name == "unpack-upload"]
    assert {event["ordinal"] for event in unpacked} == {0, 1}
    assert all(event | JOB == event for event in unpacked)


@pytest.mark.parametrize("told", [fetched(0), LandfallError("SourceUnavailable", "503")])
def test_a_source_that_wants_to_know_is_told_and_whatever_becomes_of_it_the_job_has_landed(told) -> None:
    functions = Functions(
        fetch_files=[fetched(1), told], unpack_upload=[{"complete": True}], publish=[PUBLISHED | {"notify_source": True}]
    )
    assert land(functions, JOB) == PUBLISHED
    assert functions.names() == ["fetch-files", "unpack-upload", "publish", "fetch-files"]


def test_of_many_files_the_number_is_enough() -> None:
    listing = {"bucket": "work", "key": "files.json", "count": 201}
    functions = Functions(
        fetch_files=[{"complete": True, "files": [], "listed_in": listing}],
        unpack_upload=[{"complete": True}],
        publish=[PUBLISHED],
    )
    land(functions, JOB)
    unpacked = sorted(event["ordinal"] for name, event in functions.called if name == "unpack-upload")
    assert unpacked == list(range(201))


def test_a_source_that_is_not_ready_is_waited_for_by_the_task() -> None:
    functions = Functions(fetch_files=[{"complete": False, "files": [], "wait_seconds": 30}])
    with pytest.raises(NotReady) as raised:
        land(functions, JOB)
    assert raised.value.wait_seconds == 30


def test_what_has_landed_is_appended_to_the_table_that_its_destination_names() -> None:
    tables = [{"table": "erp.ledger", "snapshot_id": 1}]
    functions = Functions(
        fetch_files=[fetched(0)], publish=[PUBLISHED | {"register_table": True}], register_table=[{"tables": tables}]
    )
    assert land(functions, JOB) == PUBLISHED | {"registered": tables}
    assert functions.called[-1] == ("register-table", JOB)


@pytest.mark.parametrize("step", ["unpack_upload", "publish"])
def test_what_is_gone_is_made_again_twice(step: str) -> None:
    gone = LandfallError("NotFound", "the staged file is gone")
    answers = {"fetch_files": [fetched(1)], "unpack_upload": [{"complete": True}], "publish": [PUBLISHED]}
    functions = Functions(**answers | {step: [gone, gone, *answers[step]]})
    assert land(functions, JOB) == PUBLISHED
    assert functions.names().count("fetch-files") == 3
    functions = Functions(**answers | {step: [gone]})
    with pytest.raises(LandfallError, match="NotFound"):
        land(functions, JOB)
    assert functions.names().count("fetch-files") == 3


def test_a_file_that_was_damaged_on_its_way_is_fetched_anew() -> None:
    damaged = LandfallError("Damaged", "a CRC does not match")
    functions = Functions(fetch_files=[fetched(1)], unpack_upload=[damaged, {"complete": True}], publish=[PUBLISHED])
    assert land(functions, JOB) == PUBLISHED
    assert functions.names().count("fetch-files") == 2


def test_after_a_failure_no_file_is_begun() -> None:
    functions = Functions(
        fetch_files=[fetched(100)],
        unpack_upload=[LandfallError("UnsafeArchive", "leaves its prefix")],
        publish=[PUBLISHED],
    )
    with pytest.raises(LandfallError, match="UnsafeArchive"):
        land(functions, JOB)
    assert functions.names().count("unpack-upload") < 10
    assert "publish" not in functions.names()


@pytest.mark.parametrize("state", ["succeeded", "partial", "empty"])
def test_a_job_that_has_ended_well_lands(state: str) -> None:
    must_land(JOB, {"state": state, "native_status": "DONE"})


@pytest.mark.parametrize(
    ("state", "said"),
    [("failed", "another run key"), ("cancelled", "another run key"), ("needs_attention", "decide in the source")],
)
def test_a_job_that_has_ended_badly_is_told_of_in_the_sources_words(state: str, said: str) -> None:
    with pytest.raises(LandfallError) as raised:
        must_land(JOB, {"state": state, "native_status": "ERROR", "message": "ORA-01555: snapshot too old"})
    assert raised.value.error_type == "JobFailed"
    assert raised.value.is_final
    for part in ("job 7 on pod", "ORA-01555", said):
        assert part in raised.value.message


def test_a_state_that_is_not_known_is_no_success() -> None:
    with pytest.raises(LandfallError, match="UnknownStatus"):
        must_land(JOB, {"state": "resting", "native_status": "REST"})
