"""Lands ten published Python wheels and holds every landed byte against what Python's zipfile reads.

usage: wheels.py LANDFALL WHEELS
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PIECE = 1 << 20


def main(landfall: str, wheels: pathlib.Path) -> None:
    archives = sorted(wheels.glob("*.whl"))
    largest = max(archive.stat().st_size for archive in archives)
    assert len(archives) == 10 and largest > 100_000_000, f"{len(archives)} wheels, the largest of {largest} bytes"
    with tempfile.TemporaryDirectory() as data:
        lines = unpack(landfall, archives, data)
        assert len(lines) == len(archives), f"{len(lines)} lines for {len(archives)} archives"
        landing = pathlib.Path(data, "landing")
        for archive, line in zip(archives, lines, strict=True):
            assert line.get("archive") == str(archive), line
            count = compare(archive, line["manifest"], landing, landing / line["manifest_key"])
            print(f"{archive.name}: {count} members are what zipfile reads")


def unpack(landfall: str, archives: list[pathlib.Path], data: str) -> list[dict]:
    command = [landfall, "unpack", *map(str, archives), "--data", data, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"landfall unpack ended with {done.returncode}: {done.stdout[:2000]!r}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(archive: pathlib.Path, manifest: dict, landing: pathlib.Path, manifest_file: pathlib.Path) -> int:
    """Compares an archive with what has landed of it, both ways: nothing missing, nothing more."""
    landed = {thing["member"]: landing / thing["key"] for thing in manifest["objects"]}
    with zipfile.ZipFile(archive) as source:
        members = [member for member in source.infolist() if not member.is_dir()]
        assert sorted(landed) == sorted(member.filename for member in members), archive
        for member in members:
            path = landed[member.filename]
            assert path.stat().st_size == member.file_size, path
            with source.open(member) as expected, path.open("rb") as found:
                while piece := expected.read(PIECE):
                    assert found.read(len(piece)) == piece, path
                assert not found.read(1), path
    there = {path for path in manifest_file.parent.rglob("*") if path.is_file()}
    assert there == {*landed.values(), manifest_file}, there ^ {*landed.values(), manifest_file}
    return len(members)


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
