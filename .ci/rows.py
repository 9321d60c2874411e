"""Counts the rows of tricky files three times, as landfall lands them, by Python's csv and by DuckDB, and holds each
difference against the reason that is known for it.

usage: rows.py LANDFALL
"""

import csv
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import duckdb

ONE_COLUMN = "Python: an empty line is no value of the only column; to DuckDB and landfall it is an empty one"
SNIFFED = "Python takes every quote that begins a field for one that has to end; DuckDB and landfall see that none does"
TITLE = "DuckDB skips lines above the header; landfall and Python count them"

# Each: the bytes, what Python is told of the dialect, what DuckDB is, and the counts of landfall, Python and DuckDB; where
# they differ, why.
CASES = {
    "plain.csv": (b"id,t\n1,a\n2,b\n", {}, "", (2, 2, 2), None),
    "quotes.csv": (b'id,t\n1,"a ""b"" c"\n2,"x,y"\n', {}, "", (2, 2, 2), None),
    "newlines.csv": (b'id,t\n1,"a\nb"\n2,"c\nd"\n3,e\n', {}, "", (3, 3, 3), None),
    "crlf-in-field.csv": (b'id,t\r\n1,"a\r\nb"\r\n2,c\r\n', {}, "", (2, 2, 2), None),
    "lone-cr.csv": (b"id,t\r1,a\r2,b\r", {}, "", (2, 2, 2), None),
    "bom.csv": (b"\xef\xbb\xbfid,t\n1,a\n", {}, "", (1, 1, 1), None),
    "bom-quoted.csv": (b'\xef\xbb\xbf"id\nof row",t\n1,a\n', {}, "", (1, 1, 1), None),
    "nul.csv": (b"id,t\n1,a\0b\n2,c\n", {}, "", (2, 2, 2), None),
    "no-last-newline.csv": (b"id,t\n1,a\n2,b", {}, "", (2, 2, 2), None),
    "quoted-last.csv": (b'id,t\n1,a\n2,"b"', {}, "", (2, 2, 2), None),
    "header-only.csv": (b"id,t\n", {}, "", (0, 0, 0), None),
    "header-alone.csv": (b"id,t", {}, "", (0, 0, 0), None),
    "empty.csv": (b"", {}, "", (0, 0, 0), None),
    "blank-lines.csv": (b"id,t\n1,a\n\n2,b\n\n", {}, "", (2, 2, 2), None),
    "one-column.csv": (b"id\n1\n\n2\n", {}, "", (3, 2, 3), ONE_COLUMN),
    "semicolons.csv": (b'id;t\n1;"a\nb"\n2;c\n', {"delimiter": ";"}, "", (2, 2, 2), None),
    "tabs.tsv": (b'id\tt\n1\t"a\nb"\n2\tc\n', {"delimiter": "\t"}, "", (2, 2, 2), None),
    "bars.csv": (b"id|t\n1|'a\nb'\n2|'c'\n", {"delimiter": "|", "quotechar": "'"}, "", (2, 2, 2), None),
    "backslashes.csv": (
        b'id,t\n1,"a\\"b\nc"\n2,"d"\n',
        {"escapechar": "\\", "doublequote": False},
        "",
        (2, 2, 2),
        None,
    ),
    "inches.csv": (b'id,t\n1,5" pipe\n2,6" pipe\n', {}, "", (2, 2, 2), None),
    "unclosed.csv": (b'id,t\n1,"abc\n2,d\n', {}, "", (2, 1, 2), SNIFFED),
    "title.csv": (b'Report of March\nid;t\n1;"a\nb"\n2;c\n', {"delimiter": ";"}, "", (3, 3, 2), TITLE),
    "ragged.csv": (b"id,t\n1\n2,b\n3,d\n", {}, ", null_padding = true", (3, 3, 3), None),
    "mixed-breaks.csv": (b"id,t\n1,a\r\n2,b\n3,c\n", {}, ", strict_mode = false", (3, 3, 3), None),
    "utf16.csv": ("\ufeffid,t\r\n1,a\r\n2,b\r\n".encode("utf-16-le"), {}, ", encoding = 'utf-16'", (2, 2, 2), None),
}


def main(landfall: str) -> None:
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, (content, dialect, options, expected, reason) in CASES.items():
            file = folder / name
            file.write_bytes(content)
            counts = (landed(landfall, file, folder / "data"), by_python(content, dialect), by_duckdb(file, options))
            differ = len(set(expected)) > 1
            assert differ == (reason is not None), f"{name}: each difference has a reason, and nothing else has"
            if counts != expected:
                wrong.append(f"{name}: landfall, Python and DuckDB count {counts}, not {expected}")
            print(f"{name:<20} {'  '.join(f'{count}' for count in counts)}  {reason or ''}")
    if wrong:
        sys.exit("\n".join(wrong))


def landed(landfall: str, file: pathlib.Path, data: pathlib.Path) -> int:
    command = [landfall, "unpack", str(file), "--data", str(data), "--columns", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{file.name}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)["manifest"]["totals"].get("rows", 0)


def by_python(content: bytes, dialect: dict) -> int:
    encoding = "utf-16" if content.startswith(b"\xff\xfe") else "utf-8-sig"
    rows = csv.reader(io.StringIO(content.decode(encoding), newline=""), **dialect)
    # An empty line is a row of no fields to it.
    return max(sum(1 for row in rows if row) - 1, 0)


def by_duckdb(file: pathlib.Path, options: str) -> int | str:
    statement = f"SELECT count(*) FROM read_csv('{file}', header = true, all_varchar = true{options})"
    try:
        (count,) = duckdb.connect().execute(statement).fetchone()
    except duckdb.Error as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return count


if __name__ == "__main__":
    main(*sys.argv[1:])
