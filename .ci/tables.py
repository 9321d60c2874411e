"""Lands generated tables, reads them in DuckDB by the statements of their manifests and of `landfall schema`, and holds
every value against its text, to the digit; Parquet files also as PyArrow reads them. What `landfall schema` prints for
others is parsed.

usage: tables.py LANDFALL
"""

import csv
import datetime
import decimal
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import duckdb
import pyarrow
import pyarrow.parquet
import sqlglot

ROWS = 20_000
SEED = 20261130


def main(landfall: str) -> None:
    decimal.getcontext().prec = 60
    drawn = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, (dialect, header, rows) in tables(drawn).items():
            source = folder / name
            with source.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, **dialect)
                writer.writerow(header)
                writer.writerows(rows)
            for form in ("raw", "gzip", "zstd", "parquet"):
                data = folder / f"{name}-{form}"
                table, read = landed(landfall, source, data, form)
                compare(name, table, header, rows, read)
                made = made_by_schema(landfall, source.stem, data)
                compare(name, table, header, rows, selected(made, table, source.stem.replace("-", "_")))
            (file,) = (data / "landing").rglob("*.parquet")
            by_arrow = read_by_arrow(file, table)
            compare(name, table, header, rows, by_arrow)
            tell_nothing_from_empty(name, table, dialect, rows, by_arrow)
            types = ", ".join(column["type"] for column in table["columns"])
            print(f"{name}: {len(rows)} rows in four forms are what was sent: {types}")
        for form in ("raw", "parquet"):
            drifts(landfall, folder / f"drifts-{form}", form)


def tables(drawn: random.Random) -> dict:
    """Each table: how it is written, its header, its rows as texts."""

    def amount(digits: int, scale: int) -> str:
        number = drawn.randrange(10**digits) * drawn.choice((1, 1, -1)) or 1
        return str(decimal.Decimal(number).scaleb(-scale))

    def day() -> datetime.datetime:
        return datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=drawn.randrange(10**8))

    ledger = [
        [
            str(number + 300_100_000_000),
            amount(12, 2),
            amount(30, 10),
            f"{drawn.randrange(1000):03}",
            day().strftime("%Y-%m-%d"),
            day().strftime("%Y/%m/%d %H:%M:%S"),
            day().strftime("%Y-%m-%dT%H:%M:%S.") + f"{drawn.randrange(1000):03}+00:00",
            drawn.choice(("true", "false", "")),
            drawn.choice(('say "hi"', "a, b", "two\nlines", "", "é", "x" * 50)),
        ]
        for number in range(ROWS)
    ]
    header = ["ID", "AMOUNT", "RATE", "CODE", "DAY", "SEEN", "UPDATED", "OPEN", "NOTE of it"]
    mixed = [[amount(5, 2), drawn.choice(("1", "1.5", "2.25")), drawn.choice(("1", "x"))] for _ in range(100)]
    return {
        "ledger.csv": ({"lineterminator": "\n"}, header, ledger),
        "ledger-quoted.csv": ({"quoting": csv.QUOTE_ALL, "delimiter": ";"}, header, ledger[:1000]),
        "twice.csv": ({}, ["A", "a", 'B"'], mixed),
    }


def landed(landfall: str, source: pathlib.Path, data: pathlib.Path, form: str) -> tuple[dict, list[tuple]]:
    command = [landfall, "unpack", str(source), "--data", str(data), "--form", form, "--columns", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    (line,) = (json.loads(line) for line in done.stdout.splitlines())
    (table,) = line["manifest"]["tables"]
    landing = str(data / "landing") + "/"
    statements = table["duckdb"].replace("s3://landing/", landing)
    setting, reading = statements.split("; SELECT ", 1)
    connection = duckdb.connect()
    connection.execute(setting)
    connection.execute(f"CREATE TABLE landed AS SELECT {reading}")
    return table, selected(connection, table, "landed")


def selected(connection: duckdb.DuckDBPyConnection, table: dict, of: str) -> list[tuple]:
    # Python gets such moments by a package of its own only.
    zoned = [place for place, column in enumerate(table["columns"]) if column["type"].endswith("ZONE")]
    names = [column[0] for column in connection.execute(f"DESCRIBE {quoted(of)}").fetchall()]
    columns = [f'epoch_us("{name}")' if place in zoned else quoted(name) for place, name in enumerate(names)]
    return connection.execute(f"SELECT {', '.join(columns)} FROM {quoted(of)}").fetchall()


def statements(landfall: str, export: str, data: pathlib.Path, dialect: str, *more: str) -> str:
    command = [landfall, "schema", "local", export, "--sql", dialect, "--data", str(data), *more]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def made_by_schema(landfall: str, export: str, data: pathlib.Path) -> duckdb.DuckDBPyConnection:
    """All jobs that have landed of an export, as the statements for DuckDB read them; what is printed for others parses."""
    connection = duckdb.connect()
    text = statements(landfall, export, data, "duckdb")
    connection.execute(text.replace("s3://landing/", str(data / "landing") + "/"))
    for dialect, read_as in (("spark", "spark"), ("iceberg", "spark"), ("athena", "hive"), ("snowflake", "snowflake")):
        text = statements(landfall, export, data, dialect)
        # Athena takes a table's definition in Hive's words, and a view's in Trino's.
        table, behind, view = text.partition("CREATE VIEW")
        parsed = sqlglot.parse(table, read=read_as) + sqlglot.parse(behind + view, read="trino")
        for statement in parsed:
            assert not isinstance(statement, sqlglot.exp.Command), f"{dialect}: {statement}"
    return connection


def drifts(landfall: str, folder: pathlib.Path, form: str) -> None:
    """Two jobs of one export, of which the second has a column more and wider amounts, are read as one table."""
    data = folder / "data"
    jobs = [
        ("one", "ID,AMOUNT,DAY\n1,10.50,2026/01/31\n2,-3.25,\n"),
        ("two", "ID,NOTE,AMOUNT,DAY\n3,\"a\nb\",0.0001,\"\"\n4,,12345678901234.5,2026/02/01\n5,,,\n"),
    ]
    for name, text in jobs:
        source = folder / name / "orders.csv"
        source.parent.mkdir(parents=True)
        source.write_text(text, newline="")
        table, _ = landed(landfall, source, data, form)
    # Where both nothing and the empty text are among a file's values, these are text.
    types = {
        "raw": ["BIGINT", "VARCHAR", "DECIMAL(20,4)", "DATE"],
        "parquet": ["BIGINT", "VARCHAR", "DECIMAL(20,4)", "VARCHAR"],
    }
    assert [column["type"] for column in table["columns"]] == types[form], table
    made = made_by_schema(landfall, "orders", data)
    known = [column[1] for column in made.execute("DESCRIBE orders").fetchall()]
    assert known == ["BIGINT", "DECIMAL(20,4)", "DATE", "VARCHAR"], known
    read = made.execute("SELECT * FROM orders ORDER BY ID").fetchall()
    amounts = ["10.5000", "-3.2500", "0.0001", "12345678901234.5000", "None"]
    assert [str(row[1]) for row in read] == amounts, read
    days = ["2026-01-31", "None", "None", "2026-02-01", "None"]
    assert [str(row[2]) for row in read] == days, read
    assert [row[3] for row in read] == [None, None, "a\nb", None, None], read
    print(f"orders.csv: 5 rows of two jobs as {form}, of which one has another schema, are read as one table")


def read_by_arrow(file: pathlib.Path, table: dict) -> list[tuple]:
    read = pyarrow.parquet.ParquetFile(file)
    assert read.metadata.created_by == "landfall version 1.0.0 (build 1)", read.metadata
    group = read.metadata.row_group(0)
    for place in range(group.num_columns):
        column = group.column(place)
        assert column.compression == "ZSTD" and column.has_column_index and column.has_offset_index, column
        assert column.statistics is not None, column
    columns = []
    for column, values in zip(table["columns"], read.read().columns, strict=True):
        zoned = column["type"].endswith("ZONE")
        columns.append((values.cast(pyarrow.int64()) if zoned else values).to_pylist())
    return list(zip(*columns, strict=True))


def tell_nothing_from_empty(name: str, table: dict, dialect: dict, rows: list, read: list[tuple]) -> None:
    """What has quotes is the empty text, what has none is nothing."""
    are_quoted = dialect.get("quoting") == csv.QUOTE_ALL
    for place, column in enumerate(table["columns"]):
        if column["type"] == "VARCHAR":
            empty = {values[place] for sent, values in zip(rows, read, strict=True) if not sent[place]}
            assert empty <= {"" if are_quoted else None}, f"{name}: {column}: {empty}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def compare(name: str, table: dict, header: list[str], rows: list[list[str]], read: list[tuple]) -> None:
    assert [column["name"] for column in table["columns"]] == header, table
    assert len(read) == len(rows), f"{name}: {len(read)} rows for {len(rows)}"
    for number, (sent, values) in enumerate(zip(rows, read, strict=True)):
        for column, text, value in zip(table["columns"], sent, values, strict=True):
            assert written(column, value) == exact(column, text), f"{name}, row {number}, {column}: {value!r} for {text!r}"
    for place, column in enumerate(table["columns"]):
        if column["type"].startswith("DECIMAL"):
            sent = sum(decimal.Decimal(row[place]) for row in rows if row[place])
            assert sum(values[place] for values in read if values[place] is not None) == sent, column


def exact(column: dict, text: str) -> str:
    """What a text is to come back as: with the zeros that its column's scale gives it."""
    if "min_scale" in column and text:
        scale = int(column["type"].rstrip(")").split(",")[1])
        return str(decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale)))
    return text


def written(column: dict, value: object) -> str:
    """A value as text, in the form that its column has."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if column["type"].endswith("ZONE"):
        value = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=value)
    if isinstance(value, datetime.datetime):
        text = value.strftime(strftime(column["format"]))
        # Python writes six digits of a second.
        return text.replace("%3", f"{value.microsecond // 1000:03}")
    if isinstance(value, datetime.date):
        return value.strftime(strftime(column["format"]))
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)


def strftime(pattern: str) -> str:
    fields = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "hh": "%H", "mm": "%M", "ss": "%S", "SSS": "%%3"}
    for field, specifier in fields.items():
        pattern = pattern.replace(field, specifier)
    return pattern


if __name__ == "__main__":
    main(*sys.argv[1:])
