"""Appends what landfall lands to tables of catalogs that others wrote, and has others read them: SeaweedFS's catalog, which
checks that calls are signed, and ministack's, which stands in for S3 Tables', are written to by Iceberg's REST API; PyIceberg and
DuckDB's Iceberg extension find every row, once, to the digit.

usage: register_table.py LANDFALL PROGRAM
"""

import csv
import datetime
import decimal
import importlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import boto3
import duckdb
from pyiceberg.catalog import Catalog, load_catalog
from stores import ministack, seaweedfs

SEED = 20261130
ROWS = 5_000
REGION = "us-east-1"

CONFIG = """
[work]
bucket = "work"
store = {store}

[destinations.lake]
type = "s3"
bucket = "landing"
form = "parquet"
store = {store}

[destinations.lake.table]
catalog = "tables"
namespace = "erp"
name = "{name}"
{partition}

[catalogs.tables]
uri = "{catalog}"
warehouse = "{warehouse}"
login = {{ type = "sigv4", service = "s3tables", region = "us-east-1" }}
"""


def main(landfall: str, program: str) -> None:
    decimal.getcontext().prec = 60
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # As they are packed: one beside the other.
        bin = folder / "bin"
        bin.mkdir()
        for built, name in ((landfall, "landfall"), (program, "landfall-register-table")):
            shutil.copy(built, bin / name)
        with seaweedfs(folder / "seaweedfs", iceberg=True) as store:
            landfall = Landfall(bin / "landfall", folder, store)
            catalog = prepared(store)
            gone_on_with(landfall, catalog)
            for partition in ("", 'partition = "day"'):
                appended(landfall, catalog, store, partition)
        with ministack(folder / "ministack") as store:
            store["catalog"] = f"{store['endpoint']}/iceberg"
            landfall = Landfall(bin / "landfall", folder / "of-ministack", store)
            landfall.folder.mkdir()
            appended(landfall, prepared(store), store, 'partition = "day"')


def prepared(store: dict) -> Catalog:
    keys = {"aws_access_key_id": store["access_key_id"], "aws_secret_access_key": store["secret_access_key"]}
    s3 = boto3.client("s3", endpoint_url=store["endpoint"], region_name=REGION, **keys)
    for bucket in ("work", "landing"):
        s3.create_bucket(Bucket=bucket)
    tables = boto3.client("s3tables", endpoint_url=store["endpoint"], region_name=REGION, **keys)
    bucket = tables.create_table_bucket(name="warehouse")
    # SeaweedFS has a name of its own for it.
    store["warehouse"] = bucket["arn"] if store["name"] == "ministack" else "s3://warehouse"
    catalog = load_catalog("tables", **{
        "type": "rest", "uri": store["catalog"], "warehouse": store["warehouse"],
        "rest.sigv4-enabled": "true", "rest.signing-name": "s3tables", "rest.signing-region": REGION,
        "client.access-key-id": store["access_key_id"], "client.secret-access-key": store["secret_access_key"],
        "s3.endpoint": store["endpoint"], "s3.region": REGION,
        "s3.access-key-id": store["access_key_id"], "s3.secret-access-key": store["secret_access_key"],
    })
    catalog.create_namespace("erp")
    return catalog


class Landfall:
    """The program, and what leads it to a store."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, store: dict) -> None:
        self.program, self.folder, self.store = program, folder, store

    def configured(self, name: str, partition: str) -> None:
        store = {
            "endpoint": self.store["endpoint"], "region": REGION,
            "access_key_id": self.store["access_key_id"], "secret_access_key": self.store["secret_access_key"],
        }
        inline = "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in store.items()) + "}"
        where = {"catalog": self.store["catalog"], "warehouse": self.store["warehouse"]}
        text = CONFIG.format(store=inline, name=name, partition=partition, **where)
        (self.folder / "landfall.toml").write_text(text)

    def start(self, *words: str) -> subprocess.Popen:
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": self.store["access_key_id"], "AWS_SECRET_ACCESS_KEY": self.store["secret_access_key"],
        }
        command = [self.program, *words, "--config", self.folder / "landfall.toml", "--json"]
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, env=environment, text=True)

    def run(self, *words: str) -> list[dict]:
        return ended(self.start(*words))


def ended(process: subprocess.Popen) -> list[dict]:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


def gone_on_with(landfall: Landfall, catalog: Catalog) -> None:
    """What ended between the manifest and the table is told, and the same command goes on there."""
    name = "gone_on_with"
    landfall.configured(name, "")
    source = landfall.folder / f"{name}.csv"
    source.write_text("id\n1\n2\n")
    program = landfall.program.with_name("landfall-register-table")
    away = program.rename(landfall.folder / "away")
    process = landfall.start("unpack", source, "--destination", "lake")
    said, _ = process.communicate(timeout=120)
    landed, failed = map(json.loads, said.splitlines())
    assert (process.returncode, failed["error"]["type"]) == (2, "InvalidConfig"), said
    job = (landed["connection"], landed["job_request_id"])
    (told,) = landfall.run("status", *job)
    assert (told["state"], told["failure"]["step"]) == ("landed_not_in_table", "register-table"), told
    away.rename(program)
    again, registered = landfall.run("unpack", source, "--destination", "lake")
    (table,) = registered["registered"]["tables"]
    assert again["already_landed"] and not table["already_registered"], (again, table)
    (told,) = landfall.run("status", *job)
    assert told["state"] == "landed" and "failure" not in told, told
    assert len(catalog.load_table(f"erp.{name}").snapshots()) == 1
    print(f"{name}: landed first, in its table by the same command", flush=True)


def appended(landfall: Landfall, catalog: Catalog, store: dict, partition: str) -> None:
    began, drawn = time.monotonic(), random.Random(SEED)
    name = "ledger_by_day" if partition else "ledger"
    landfall.configured(name, partition)
    # A later job has a column more, and amounts of more digits.
    jobs = [(rows_of(drawn, number, digits), digits > 8) for number, digits in enumerate((8, 8, 14))]
    expected = []
    for number, (rows, has_note) in enumerate(jobs):
        source = landfall.folder / f"{name}-{number}" / "ledger.csv"
        source.parent.mkdir()
        header = ["id", "amount", "rate", "day", "seen", "is_open", "text"] + (["note"] if has_note else [])
        with source.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows if has_note else [row[:-1] for row in rows])
        landed, registered = landfall.run("unpack", source, "--destination", "lake")
        (table,) = registered["registered"]["tables"]
        assert (table["table"], table["rows"], table["already_registered"]) == (f"erp.{name}", ROWS, False), table
        # Twice more, at once: it is there.
        words = ("register", landed["connection"], landed["job_request_id"])
        for again in [landfall.start(*words) for _ in range(2)]:
            (line,) = ended(again)
            (same,) = line["registered"]["tables"]
            assert same["already_registered"] and same["snapshot_id"] == table["snapshot_id"], same
        expected += [row if has_note else [*row[:-1], None] for row in rows]

    table = catalog.load_table(f"erp.{name}")
    snapshots = [snapshot.summary.additional_properties.get("landfall.job-request-id") for snapshot in table.snapshots()]
    assert len(snapshots) == len(set(snapshots)) == len(jobs), snapshots
    hold(f"{name} by PyIceberg", expected, by_pyiceberg(table))
    rows, sums = by_duckdb(table.metadata_location, store)
    hold(f"{name} by DuckDB", expected, rows)
    exact = tuple(sum(decimal.Decimal(row[at]) for row in expected) for at in (1, 2))
    assert sums == exact, f"{name}: DuckDB's sums are {sums} instead of {exact}"
    # Bounds leave files out, and no row.
    (one,) = (row for row in expected if row[0] == str(2 * 10**9 + 7))
    assert table.scan(row_filter=f"id == {one[0]}").to_arrow().num_rows == 1
    planned = list(table.scan(row_filter=f"id == {one[0]}").plan_files())
    assert len(planned) == 1, planned
    today = datetime.datetime.now(datetime.UTC).date()
    if partition:
        days = {task.file.partition[0] for task in table.scan().plan_files()}
        since = (today - datetime.date(1970, 1, 1)).days
        assert days <= {since, since - 1}, days
        # No file has it: it is read from the partitions.
        read = set(table.scan(selected_fields=("landfall_day",)).to_arrow()["landfall_day"].to_pylist())
        assert read <= {today, today - datetime.timedelta(1)}, read
    print(f"{name}: {len(expected)} rows of {len(jobs)} jobs, once each: {time.monotonic() - began:.1f} s", flush=True)


def rows_of(drawn: random.Random, job: int, digits: int) -> list[list[str]]:
    moment = datetime.datetime(2020, 1, 1)

    def seen() -> datetime.datetime:
        return moment + datetime.timedelta(seconds=drawn.randrange(10**8))

    return [
        [
            str(job * 10**9 + number),
            f"{drawn.randrange(10 ** (digits - 2))}.{drawn.randrange(100):02}" if number else "9" * (digits - 2) + ".99",
            f"{drawn.choice(('', '-'))}{drawn.randrange(1, 10**20)}.{drawn.randrange(10**10):010}"
            if number else "1" * 20 + ".0000000001",
            seen().strftime("%Y-%m-%d"),
            seen().strftime("%Y-%m-%d %H:%M:%S"),
            drawn.choice(("true", "false")),
            drawn.choice(('say "hi"', "a, b", "two\nlines", "é" * 90, "x")),
            drawn.choice(("new", "newer")),
        ]
        for number in range(ROWS)
    ]


def texts(row: tuple) -> list[str | None]:
    def text(value: object) -> str | None:
        match value:
            case None | str():
                return value
            case bool():
                return str(value).lower()
            case decimal.Decimal():
                return f"{value:f}"
            case _:
                return str(value)

    return [text(value) for value in row]


COLUMNS = ["id", "amount", "rate", "day", "seen", "is_open", "text", "note"]


def by_pyiceberg(table) -> list[list[str | None]]:
    rows = table.scan(selected_fields=tuple(COLUMNS)).to_arrow().select(COLUMNS)
    return [texts(tuple(row.values())) for row in rows.to_pylist()]


def by_duckdb(metadata: str, store: dict) -> tuple[list[list[str | None]], tuple[decimal.Decimal, ...]]:
    connection = duckdb.connect()
    for extension in ("httpfs", "avro", "iceberg"):
        package = importlib.import_module(f"duckdb_extension_{extension}")
        (file,) = pathlib.Path(package.__file__).parent.rglob("*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{store['access_key_id']}', SECRET '{store['secret_access_key']}', "
        f"ENDPOINT '{store['endpoint'].removeprefix('http://')}', URL_STYLE 'path', USE_SSL false, REGION '{REGION}')"
    )
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    rows = connection.execute(f"SELECT {names} FROM iceberg_scan('{metadata}')").fetchall()
    sums = connection.execute(f"SELECT sum(amount), sum(rate) FROM iceberg_scan('{metadata}')").fetchone()
    return [texts(row) for row in rows], sums


def hold(case: str, expected: list, read: list) -> None:
    assert len(read) == len(expected), f"{case}: {len(read)} rows instead of {len(expected)}"
    by_id = {row[0]: row for row in read}
    for row in expected:
        assert by_id[row[0]] == row, f"{case}: {by_id[row[0]]} instead of {row}"


if __name__ == "__main__":
    main(*sys.argv[1:])
