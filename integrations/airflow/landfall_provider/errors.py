"""What landfall's errors mean to Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The same call again can help: repeated where it is, and by the task's next try after that.
REPEATED = frozenset({"Throttled", "SourceUnavailable", "StoreUnavailable"})
# The same call at once would end alike, and the task's next try need not: what was damaged on its way is fetched anew,
# an odd answer may have been a passing one, and whoever stopped the program did so from outside.
NEXT_TRY = frozenset({"ContractBroken", "Damaged", "IntegrityError", "Stopped"})


class LandfallError(Exception):
    """A function failed; `error_type` is the stable name of the error."""

    def __init__(
        self, error_type: str, message: str, *, retryable: bool | None = None, wait_seconds: float | None = None
    ) -> None:
        super().__init__(error_type, message)
        self.error_type = error_type
        self.message = message
        # The name decides where nobody has said it: the program on the command line does not.
        self.retryable = error_type in REPEATED if retryable is None else retryable
        self.wait_seconds = wait_seconds

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}"

    @property
    def is_final(self) -> bool:
        """Whether no further try of the task can help."""
        return not self.retryable and self.error_type not in NEXT_TRY

    def as_event(self) -> dict[str, Any]:
        """The error as a trigger's event has it."""
        return {"error_type": self.error_type, "message": self.message, "retryable": self.retryable}

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> LandfallError:
        return cls(event["error_type"], event["message"], retryable=event["retryable"])
