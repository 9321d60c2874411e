"""Airflow itself runs landfall's provider, against `landfall simulate`.

    .ci/airflow_runs.py LANDFALL [--kills NUMBER] [--keep FOLDER]

With the Python of an environment that has Airflow and the provider. Airflow's processes (SQLite, LocalExecutor) run the
example DAGs, which land the four systems by the program and by HTTP, and a DAG whose workers are killed with SIGKILL
between a submission and its note. Then it is looked at what the simulator has accepted, what has landed, and what
Airflow keeps."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import processes

AIRFLOW = pathlib.Path(sys.executable).with_name("airflow")
DAGS = pathlib.Path(__file__).resolve().parent / "airflow_dags"
SECRET = "open-sesame-0123456789"
SYSTEMS = 4
PATIENCE = 400
RUNS = ("landfall_by_command", "landfall_by_http", "killed")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("landfall", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--keep", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or pathlib.Path(temporary)
        folder.mkdir(exist_ok=True)
        run(arguments.landfall.resolve(), folder, arguments.kills)


def run(landfall: pathlib.Path, folder: pathlib.Path, kills: int) -> None:
    simulated, local = folder / "simulated.toml", folder / "local.toml"
    with processes.simulated(landfall, folder / "data", simulated):
        # Without buckets: the state is this machine's, where who dies is seen to be dead, and no lease is waited for.
        # The waits are long enough to be worth a reschedule.
        tables = re.split(r"(?m)^(?=\[)", simulated.read_text().replace("poll_seconds = 1\n", "poll_seconds = 10\n"))
        local.write_text("".join(table for table in tables if table.startswith("[connections")))
        with served(landfall, folder, local) as port:
            where = {"host": processes.HOST, "port": port, "schema": "http"}
            server = {"conn_type": "landfall", **where, "password": SECRET}
            environment = airflow_environment(landfall, folder, kills)
            began = time.monotonic()
            with contextlib.closing(ran(folder, environment, json.dumps(server))) as database:
                took = time.monotonic() - began
                print(f"{len(RUNS)} DAG runs succeeded, {took:.0f} s after the start of Airflow")
                look_at_landed(database)
                look_at_kills(database, folder, kills)
        nothing_leaks(folder, simulated)


@contextlib.contextmanager
def served(landfall: pathlib.Path, folder: pathlib.Path, config: pathlib.Path) -> Iterator[int]:
    """`landfall serve`, to whoever knows the secret."""
    (port,) = processes.free_ports(1)
    address = f"{processes.HOST}:{port}"
    command = [landfall, "serve", "--listen", address, "--config", config, "--data", folder / "local"]
    log = folder / "serve.log"
    with processes.started(command, log, os.environ | {"LANDFALL_SERVE_SECRET": SECRET}) as process:
        processes.wait_until(lambda: processes.can_connect(port), process, log, 30)
        yield port


def airflow_environment(landfall: pathlib.Path, folder: pathlib.Path, kills: int) -> dict[str, str]:
    """An Airflow of its own, which sees at once that a worker is gone."""
    (api_port,) = processes.free_ports(1)
    settings = {
        "AIRFLOW_HOME": folder / "airflow",
        "AIRFLOW__CORE__DAGS_FOLDER": DAGS,
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "AIRFLOW__CORE__PARALLELISM": 5,
        "AIRFLOW__API__HOST": processes.HOST,
        "AIRFLOW__API__PORT": api_port,
        "AIRFLOW__API__BASE_URL": f"http://{processes.HOST}:{api_port}",
        "AIRFLOW__API__WORKERS": 1,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{processes.HOST}:{api_port}/execution/",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.5,
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 2,
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": 2,
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 25,
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 3,
        "AIRFLOW__TRIGGERER__PORT": processes.free_ports(1)[0],
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": processes.free_ports(1)[0],
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": processes.free_ports(1)[0],
        "PATH": f"{landfall.parent}:{AIRFLOW.parent}:{os.environ['PATH']}",
        "LANDFALL_CONFIG": f"file:{folder / 'simulated.toml'}",
        "LANDFALL_KILLS": kills,
        "LANDFALL_KILLS_CONFIG": folder / "local.toml",
        "LANDFALL_KILLS_DATA": folder / "local",
        "LANDFALL_NOTES": folder / "kills.jsonl",
    }
    return os.environ | {name: str(value) for name, value in settings.items()}


def ran(folder: pathlib.Path, environment: dict[str, str], connection: str) -> sqlite3.Connection:
    """Airflow's database, once the runs have ended well."""
    with contextlib.ExitStack() as stack:

        def start(component: str) -> tuple[subprocess.Popen, pathlib.Path]:
            log = folder / f"{component}.log"
            command = [AIRFLOW, component]
            return stack.enter_context(processes.started(command, log, environment, folder=folder)), log

        for command in (["db", "migrate"], ["connections", "add", "landfall_default", "--conn-json", connection]):
            subprocess.run([AIRFLOW, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
        # Tasks talk to it: nothing is scheduled before it is there.
        server = start("api-server")
        start("dag-processor")
        start("triggerer")
        port = int(environment["AIRFLOW__API__PORT"])
        processes.wait_until(lambda: processes.can_connect(port), *server, PATIENCE)
        scheduler = start("scheduler")
        try:
            processes.wait_until(lambda: have_ended(folder), *scheduler, PATIENCE)
        except AssertionError:
            print(task_logs(folder), file=sys.stderr)
            raise
    database = sqlite3.connect(folder / "airflow/airflow.db")
    database.row_factory = sqlite3.Row
    return database


def have_ended(folder: pathlib.Path) -> bool:
    states, errors = run_states(folder / "airflow/airflow.db")
    assert not errors, errors
    assert "failed" not in states.values(), states
    return [states.get(run) for run in RUNS] == ["success"] * len(RUNS)


def run_states(database: pathlib.Path) -> tuple[dict[str, str], list[str]]:
    """The states of the runs, and what has kept DAGs from being read."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        states = dict(connection.execute("select dag_id, state from dag_run"))
        return states, [trace for (trace,) in connection.execute("select stacktrace from import_error")]


def task_logs(folder: pathlib.Path) -> str:
    """What the tasks have logged last."""
    logs = sorted((folder / "airflow/logs").rglob("attempt=*.log"))
    return "\n".join(f"{log}:\n{log.read_text(errors='replace')[-3000:]}" for log in logs)


def look_at_landed(database: sqlite3.Connection) -> None:
    """Each system's manifest is in an XCom, by either mode, and those of the tasks with outlets in an asset event."""
    for dag_id in ("landfall_by_command", "landfall_by_http"):
        landed = list(results(database, dag_id).values())
        connections = sorted(result["connection"] for result in landed)
        assert connections == ["epm-demo", "folio-demo", "fusion-demo", "fusion-demo"], connections
        assert len({result["manifest_key"] for result in landed}) == SYSTEMS
        for result in landed:
            assert result["state"] == "succeeded" and result["totals"]["objects"] > 0, result
            assert result["run_key"].startswith(f"{dag_id}:"), result
    told = [json.loads(row["extra"]) for row in database.execute("select extra from asset_event")]
    by_command = results(database, "landfall_by_command").values()
    counted = [{landed["manifest_key"]: landed["totals"] for landed in those} for those in (told, by_command)]
    assert counted[0] == counted[1], counted
    print(f"{2 * SYSTEMS} exports landed, {SYSTEMS} by the program and {SYSTEMS} by HTTP; {len(told)} asset events")


def results(database: sqlite3.Connection, dag_id: str) -> dict[tuple[str, int], dict]:
    """What the tasks that land have returned, by task and map index."""
    query = (
        "select task_id, map_index, value from xcom"
        " where dag_id = ? and key = 'return_value' and task_id not like 'tell%'"
    )
    rows = database.execute(query, (dag_id,))
    return {(row["task_id"], row["map_index"]): json.loads(row["value"]) for row in rows}


def look_at_kills(database: sqlite3.Connection, folder: pathlib.Path, kills: int) -> None:
    """One job each at the simulator, which a later try than the one whose worker was killed has landed."""
    notes = [json.loads(line) for line in (folder / "kills.jsonl").read_text().splitlines()]
    landed = results(database, "killed")
    assert len(notes) == len(landed) == kills, (notes, landed)
    tries = database.execute("select count(*), min(try_number) from task_instance where dag_id = 'killed'")
    number, fewest = tries.fetchone()
    assert number == kills and fewest > 1, (number, fewest)
    accepted = accepted_jobs(folder)
    counts = {path: len(jobs) for path, jobs in accepted.items()}
    # The example DAGs submit one job a system each; REST resources are read, not submitted.
    assert sorted(counts.values()) == sorted([kills + 2, 2, 2]), counts
    jobs = next(jobs for jobs in accepted.values() if len(jobs) == kills + 2)
    assert len({result["job_request_id"] for result in landed.values()}) == kills, landed
    when = collections.Counter()
    for note in notes:
        job = landed[note["task_id"], note["map_index"]]["job_request_id"]
        is_there = datetime.fromisoformat(jobs[job]) < datetime.fromisoformat(note["at"])
        how = "answered" if note["answered"] else "accepted by the source" if is_there else "not accepted yet"
        when[f"{how}, {note['task_id'].removeprefix('killed_')}"] += 1
    print(f"{kills} workers killed between a submission and its note: {len(landed)} jobs at the simulator, one each")
    for moment, count in sorted(when.items()):
        print(f"  {count} {moment}")


def accepted_jobs(folder: pathlib.Path) -> dict[str, dict[str, str]]:
    """What the simulator has accepted: by address the jobs, and when."""
    journal = [json.loads(line) for line in (folder / "data/simulator/journal.jsonl").read_text().splitlines()]
    accepted = [entry for entry in journal if entry["accepted_job"] is not None]
    jobs: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for entry in accepted:
        jobs[entry["path"]][str(entry["accepted_job"])] = entry["at"]
    assert sum(map(len, jobs.values())) == len(accepted), accepted
    return jobs


def nothing_leaks(folder: pathlib.Path, config: pathlib.Path) -> None:
    """No secret is in what Airflow keeps: its logs, its database."""
    names = re.compile(r'(?m)^(?:client_secret|password|secret_access_key) = "(.*)"')
    secrets = {SECRET, *names.findall(config.read_text())}
    assert len(secrets) == 5, f"{len(secrets)} secrets"
    for path in (folder / "airflow").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        found = [secret for secret in secrets if secret.encode() in content]
        assert not found, f"{path} has a secret"
    print(f"none of {len(secrets)} secrets is in what Airflow keeps")


if __name__ == "__main__":
    main()
