"""Lands an export of each system: by the program on the worker, and by `landfall serve`.

The program finds its configuration by `LANDFALL_CONFIG`, and the server is the Airflow connection `landfall_default`.
Both land what `landfall simulate` simulates as it is; with systems of your own, name your connections and destination.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # 2.x
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG

from landfall_provider.operators.landfall import LandfallRunOperator

INSTANCES = [f"6f7f3cd7-9f24-42eb-ae91-00000000000{number}" for number in (1, 2, 3)]
# Without a run_key: each DAG run exports once.
EVENTS: dict[str, dict[str, Any]] = {
    "fusion_extract": {
        "connection": "fusion-demo",
        "export": {"kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "incremental"},
        "destination": "lake",
    },
    "fusion_rest": {
        "connection": "fusion-demo",
        "export": {"kind": "fusion_rest", "resource": "invoices", "expand": ["invoiceLines"]},
        "destination": "lake",
    },
    "epm_job": {
        "connection": "epm-demo",
        "export": {
            "kind": "epm_job",
            "job_type": "INTEGRATION",
            "job_name": "BESSAPP",
            "parameters": {"periodName": "{Jan-06}", "importMode": "Replace", "exportMode": "Merge"},
        },
        "destination": "lake",
    },
    "folio_export": {
        "connection": "folio-demo",
        "export": {
            "kind": "folio_export",
            "profile": "Default instances export job profile",
            "records": {"ids": INSTANCES},
        },
        "destination": "lake",
    },
}

COMMON: dict[str, Any] = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "catchup": False,
    "default_args": {"retries": 3, "retry_delay": timedelta(minutes=5)},
    "tags": ["landfall"],
}


@task
def tell(landed: dict[str, Any]) -> None:
    """What a task after it knows: where the manifest is, and what it counts."""
    print(f"{landed['totals']} at {landed['bucket']}/{landed['manifest_key']}")


with DAG("landfall_by_command", **COMMON) as by_command:
    # A task each, deferred while its job runs; whatever is scheduled on its asset knows of the manifest.
    for name, event in EVENTS.items():
        landed = LandfallRunOperator(
            task_id=name, event=event, deferrable=True, outlets=[Asset(f"landfall://lake/{name}")]
        )
        tell.override(task_id=f"tell_{name}")(landed.output)

with DAG("landfall_by_http", **COMMON) as by_http:
    # One task for all of them, rescheduled while its jobs run.
    LandfallRunOperator.partial(task_id="land", mode="http", deferrable=False).expand(event=list(EVENTS.values()))
