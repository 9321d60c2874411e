"""Which errors are final, and when a step is called again."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from conftest import ROOT

from landfall_provider.errors import NEXT_TRY, REPEATED, LandfallError
from landfall_provider.retries import MAX_RETURNS, Retries, policy
from landfall_provider.steps import retrying, retrying_async

DEFINITION = json.loads((ROOT / "statemachine/export-job.asl.json").read_text())
NAMES = [name["const"] for name in json.loads((ROOT / "schemas/error-type.json").read_text())["oneOf"]]


@pytest.mark.parametrize(
    ("state", "function"),
    [
        ("Submit", "submit"),
        ("PollStatus", "poll-status"),
        ("FetchFiles", "fetch-files"),
        ("Publish", "publish"),
        ("RegisterTable", "register-table"),
    ],
)
@pytest.mark.parametrize("error", sorted(REPEATED))
def test_policies_are_those_of_the_state_machine(state: str, function: str, error: str) -> None:
    (of,) = [block for block in DEFINITION["States"][state]["Retry"] if error in block["ErrorEquals"]]
    found = policy(function, error)
    assert (found.retries, found.first_wait, found.max_wait) == (
        of["MaxAttempts"],
        of["IntervalSeconds"],
        of["MaxDelaySeconds"],
    )
    assert of["BackoffRate"] == 2


def test_returns_to_the_files_are_those_of_the_state_machine() -> None:
    (may_return,) = DEFINITION["States"]["MayReturn"]["Choices"]
    assert may_return["Condition"] == f"{{% $returns <= {MAX_RETURNS} %}}"


def test_every_error_name_is_landfalls_and_those_that_are_repeated_are_said_so() -> None:
    """docs/operating.md has for each whether it is retried; `Stopped` is the command line's own."""
    assert REPEATED <= set(NAMES)
    assert NEXT_TRY - {"Stopped"} <= set(NAMES)
    table = (ROOT / "docs/operating.md").read_text()
    retried = set(re.findall(r"(?m)^\| `(\w+)` \| [^|]* \| yes \|", table))
    assert retried == REPEATED


@pytest.mark.parametrize("name", NAMES)
def test_an_error_is_final_where_a_person_has_to_act(name: str) -> None:
    expected = name not in {
        "Throttled",
        "SourceUnavailable",
        "StoreUnavailable",
        "ContractBroken",
        "Damaged",
        "IntegrityError",
    }
    assert LandfallError(name, "what happened").is_final is expected


def called(function: str, error: LandfallError) -> tuple[int, list[float]]:
    """How often a call that fails for ever is made, and after which waits."""
    calls, waits = 0, []

    def call(*_: object) -> dict:
        nonlocal calls
        calls += 1
        raise error

    with pytest.raises(LandfallError):
        retrying(call, sleep=waits.append)(function, {})
    return calls, waits


def test_an_outage_is_outlasted_with_growing_waits() -> None:
    calls, waits = called("publish", LandfallError("StoreUnavailable", "no answer"))
    assert calls == 1 + 6
    for wait, longest in zip(waits, [10, 20, 40, 80, 160, 300], strict=True):
        assert longest / 2 <= wait <= longest


def test_a_wait_that_is_asked_for_is_kept_and_is_no_retry() -> None:
    calls, waits = called("submit", LandfallError("Throttled", "spent", wait_seconds=3900))
    assert waits[:24] == [3900] * 24
    assert calls == 1 + 24 + 24


def test_a_short_wait_that_is_asked_for_is_a_retry_as_any() -> None:
    calls, waits = called("publish", LandfallError("SourceUnavailable", "503", wait_seconds=1))
    assert calls == 1 + 6
    assert min(waits) >= 5


def test_a_wrong_secret_is_tried_once() -> None:
    assert called("submit", LandfallError("AuthRejected", "wrong secret")) == (1, [])


def test_where_nothing_may_block_it_is_the_same() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def call(*_: object) -> dict:
        if len(waits) < 2:
            raise LandfallError("SourceUnavailable", "no answer")
        return {"state": "running"}

    assert asyncio.run(retrying_async(call, "poll-status", {}, sleep)) == {"state": "running"}
    assert len(waits) == 2


def test_errors_that_are_retried_alike_are_counted_together_as_the_state_machine_does() -> None:
    retries = Retries("submit")
    for _ in range(6):
        assert retries.wait_after(LandfallError("StoreUnavailable", "")) is not None
    assert retries.wait_after(LandfallError("SourceUnavailable", "")) is None
    assert retries.wait_after(LandfallError("Throttled", "")) is not None
