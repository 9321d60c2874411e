"""When a step that has failed is called again: as a state machine and the command line do it (docs/retries.md)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from landfall_provider.errors import LandfallError


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and after which waits, what has failed is called again: each is twice the one before."""

    retries: int
    first_wait: float
    max_wait: float

    def wait(self, retry: int) -> float:
        """The longest wait before a retry, counted from 1."""
        return min(self.first_wait * 2 ** (retry - 1), self.max_wait)


OUTAGE = RetryPolicy(retries=6, first_wait=10, max_wait=300)
THROTTLING = RetryPolicy(retries=24, first_wait=10, max_wait=900)
# How often the files are gone back to when what a step before has left is gone.
MAX_RETURNS = 2

_ASKS_THE_SOURCE = frozenset({"submit", "poll-status", "fetch-files"})


def policy(function: str, error_type: str) -> RetryPolicy:
    """How a function is called again after an error that is worth it."""
    is_throttled = error_type == "Throttled" and function in _ASKS_THE_SOURCE
    return THROTTLING if is_throttled else OUTAGE


class Retries:
    """Counts the retries of one call."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._retries: dict[RetryPolicy, int] = {}
        self._requested_waits = 0

    def wait_after(self, error: LandfallError) -> float | None:
        """After how many seconds to call again; None where that cannot help, or has been done often enough."""
        if not error.retryable:
            return None
        by = policy(self._function, error.error_type)
        asked = error.wait_seconds or 0
        # The wait that an error asks for is kept as it is: a source's requests of an hour may be spent.
        if asked >= by.first_wait and self._requested_waits < THROTTLING.retries:
            self._requested_waits += 1
            return asked
        retry = self._retries[by] = self._retries.get(by, 0) + 1
        if retry > by.retries:
            return None
        return max(by.wait(retry) * random.uniform(0.5, 1), asked)
