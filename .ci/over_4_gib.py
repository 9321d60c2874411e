"""Lands a member of more than 4 GiB as gzip, and has others read it: gzip, Python and DuckDB.

usage: over_4_gib.py LANDFALL

The size at the end of a gzip file is modulo 2^32 (RFC 1952, 2.3.1). That is legal; that readers think so is seen here.
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile
import zlib

import duckdb

PIECE = 1 << 20
MIN_BYTES = (4 << 30) + 1
HEADER = b"id,amount,note\n"


def main(landfall: str) -> None:
    with tempfile.TemporaryDirectory() as data:
        archive = pathlib.Path(data, "over.zip")
        rows, size, crc32 = make(archive)
        manifest = unpack(landfall, archive, data)
        (thing,) = manifest["objects"]
        assert (thing["content_size"], thing["rows"]) == (size, rows), thing
        path = pathlib.Path(data, "landing", thing["key"])
        assert int.from_bytes(path.read_bytes()[-4:], "little") == size % (1 << 32)
        assert read(gzip.open(path)) == (size, crc32), "Python"
        with subprocess.Popen(["gzip", "-dc", path], stdout=subprocess.PIPE) as reading:
            assert read(reading.stdout) == (size, crc32), "gzip"
        assert reading.returncode == 0, f"gzip ended with {reading.returncode}"
        [(counted,)] = duckdb.sql(f"SELECT count(*) FROM read_csv('{path}', header = true)").fetchall()
        assert counted == rows, f"DuckDB counts {counted} of {rows} rows"
        print(f"{size} bytes, {rows} rows in {path.stat().st_size} bytes of gzip: read whole by gzip, Python and DuckDB")


def make(archive: pathlib.Path) -> tuple[int, int, int]:
    """Rows that repeat themselves, so that they are made and read in seconds."""
    lines = [b"%d,%d.%02d,paid by the usual bank\n" % (at * 7919, at * 31 % 9973, at % 100) for at in range(20_000)]
    block = b"".join(lines)
    blocks = MIN_BYTES // len(block) + 1
    crc32 = zlib.crc32(HEADER)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        with target.open("over.csv", "w", force_zip64=True) as member:
            member.write(HEADER)
            for _ in range(blocks):
                member.write(block)
                crc32 = zlib.crc32(block, crc32)
    return blocks * len(lines), len(HEADER) + blocks * len(block), crc32


def unpack(landfall: str, archive: pathlib.Path, data: str) -> dict:
    command = [landfall, "unpack", archive, "--form", "gzip", "--data", data, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"landfall unpack ended with {done.returncode}: {done.stdout[:2000]!r}"
    return json.loads(done.stdout)["manifest"]


def read(source) -> tuple[int, int]:
    size, crc32 = 0, 0
    while piece := source.read(PIECE):
        size, crc32 = size + len(piece), zlib.crc32(piece, crc32)
    return size, crc32


if __name__ == "__main__":
    main(sys.argv[1])
