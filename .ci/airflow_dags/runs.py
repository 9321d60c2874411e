"""What .ci/airflow_runs.py has Airflow run: the example DAGs, and runs whose worker is killed."""

import json
import os
import pathlib
import signal
import threading
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG
from landfall_provider.example_dags.example_landfall import by_command, by_http
from landfall_provider.operators.landfall import LandfallRunOperator
from landfall_provider.program import LandfallProgram

KILLS = int(os.environ["LANDFALL_KILLS"])
NOTES = pathlib.Path(os.environ["LANDFALL_NOTES"])
# Seconds after which a worker is killed at the latest; where the submission has been answered by then, at that moment.
LAST_MOMENT = 0.4
SOON = timedelta(seconds=5)
ONLY_ONCE = threading.Lock()

for example in (by_command, by_http):
    for task in example.tasks:
        # A busy machine may take a worker for dead that is not.
        task.retry_delay = SOON


class KilledOnceOperator(LandfallRunOperator):
    """Its worker is killed once, between the submission and the note of it, with all that it has started."""

    template_fields = (*LandfallRunOperator.template_fields, "moment")

    def __init__(self, *, moment: float | None, **kwargs):
        super().__init__(**kwargs)
        self.moment = moment

    def submit_job(self, context):
        ti = context["ti"]
        self.about = {"task_id": ti.task_id, "map_index": ti.map_index}
        NOTES.touch()
        if any(json.loads(note).items() >= self.about.items() for note in NOTES.read_text().splitlines()):
            return super().submit_job(context)
        if self.moment is not None:
            threading.Timer(self.moment, self.kill, [False]).start()
        super().submit_job(context)
        self.kill(True)

    def kill(self, answered: bool) -> None:
        ONLY_ONCE.acquire()
        note = self.about | {"at": datetime.now(timezone.utc).isoformat(), "answered": answered}
        with NOTES.open("a") as notes:
            notes.write(json.dumps(note) + "\n")
        if isinstance(self._caller, LandfallProgram):
            with suppress(AttributeError, ProcessLookupError):
                self._caller._process.send_signal(signal.SIGKILL)
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def killed(mode: str, moments: list[float | None]) -> KilledOnceOperator:
    event = {
        "connection": "fusion-demo",
        "export": {"kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "full"},
        "destination": "lake",
    }
    partial = KilledOnceOperator.partial(
        task_id=f"killed_{mode}", mode=mode, deferrable=mode == "http", event=event, retries=5, retry_delay=SOON,
        config=os.environ["LANDFALL_KILLS_CONFIG"], data=os.environ["LANDFALL_KILLS_DATA"],
    )
    return partial.expand(moment=moments)


COMMON = {"start_date": datetime(2026, 1, 1, tzinfo=timezone.utc), "catchup": False}

with DAG("killed", schedule="@once", **COMMON):
    # Each third is not before the answer.
    moments = [None if number % 3 == 2 else LAST_MOMENT * number / KILLS for number in range(KILLS)]
    killed("command", moments[::2])
    killed("http", moments[1::2])

with DAG("begin", schedule="@once", **COMMON):
    for dag_id in ("landfall_by_command", "landfall_by_http"):
        TriggerDagRunOperator(task_id=dag_id, trigger_dag_id=dag_id)
