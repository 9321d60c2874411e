"""What Airflow's versions keep in different places, or lack."""

from __future__ import annotations

from typing import Any

from airflow import __version__ as airflow_version
from packaging.version import Version

try:
    from airflow.sdk import BaseOperator
except ImportError:  # 2.x
    from airflow.models.baseoperator import BaseOperator  # type: ignore[no-redef]

try:
    from airflow.sdk import BaseHook
except ImportError:  # below 3.1
    from airflow.hooks.base import BaseHook  # type: ignore[no-redef]

try:
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRescheduleException
except ImportError:  # below 3.2
    from airflow.configuration import conf  # type: ignore[no-redef]
    from airflow.exceptions import (  # type: ignore[no-redef]
        AirflowException,
        AirflowFailException,
        AirflowRescheduleException,
    )

try:
    from airflow.sdk import ResumableJobMixin
except ImportError:  # below 3.3

    class ResumableJobMixin:  # type: ignore[no-redef]
        """Keeps no note of the job: the next try finds it by its run key."""

        def execute_resumable(self, context: Any) -> Any:
            job = self.submit_job(context)  # type: ignore[attr-defined]
            self.poll_until_complete(job, context)  # type: ignore[attr-defined]
            return self.get_job_result(job, context)  # type: ignore[attr-defined]


# Older schedulers heed the time only of sensors, and would start another operator again at once.
HEEDS_RESCHEDULES = Version(airflow_version) >= Version("3.2")

__all__ = [
    "HEEDS_RESCHEDULES",
    "AirflowException",
    "AirflowFailException",
    "AirflowRescheduleException",
    "BaseHook",
    "BaseOperator",
    "ResumableJobMixin",
    "conf",
]
