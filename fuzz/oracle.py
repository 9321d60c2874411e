"""Holds what landfall accepts of archives against Python's zipfile: members, sizes, checksums, bytes.

Takes a folder of NAME.zip and NAME.json, the list of what landed. Prints each difference, and how many archives agree.
"""

import hashlib
import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path


# APPNOTE 4.6.9.
UNICODE_PATH = 0x7075


def difference(archive: Path, landed: list) -> str | None:
    """What zipfile reads otherwise, if anything."""
    try:
        with zipfile.ZipFile(archive) as other:
            infos = other.infolist()
            if len(infos) != len(landed):
                return f"{len(infos)} members, not {len(landed)}"
            for info, ours in zip(infos, landed):
                data = other.read(info)
                found = (len(data), info.CRC, hashlib.sha256(data).hexdigest())
                if found != (ours["size"], ours["crc32"], ours["sha256"]):
                    return f"{ours['name']!r}: {found}, not {ours}"
                if not is_explained(info, ours["name"]):
                    return f"the name is {info.filename!r}, not {ours['name']!r}"
    except NotImplementedError as refusal:
        # landfall does not look at the version needed (docs/archives.md): what is not known is refused by its own name.
        # zipfile has no Deflate64.
        is_explained_by = str(refusal).startswith(("zip file version", "That compression method"))
        return None if is_explained_by else f"is refused: {refusal!r}"
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as refusal:
        return f"is refused: {refusal!r}"
    return None


def is_explained(info: zipfile.ZipInfo, name: str) -> bool:
    """Whether a name is what landfall makes of zipfile's (docs/archives.md)."""
    return name in {in_one_form(info, read) for read in readings(info)}


def readings(info: zipfile.ZipInfo) -> set:
    """What one raw name may be decoded to."""
    names = {info.filename}
    raw = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
    if info.create_system in (3, 19):
        # zipfile takes all that has no flag for code page 437.
        names.add(raw.decode("utf-8", "replace"))
    # Before 3.11 zipfile ignores the Unicode path (APPNOTE 4.6.9), which landfall follows.
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == UNICODE_PATH and extra[4:9] == b"\x01" + struct.pack("<L", zlib.crc32(raw)):
            names.add(extra[9 : 4 + size].decode("utf-8", "replace"))
        extra = extra[4 + size :]
    return names


def in_one_form(info: zipfile.ZipInfo, name: str) -> str:
    """The name with Windows' separators as slashes, and without the folder that the writer was in."""
    if info.create_system in (0, 10, 11, 14):
        name = name.replace("\\", "/")
    while name.startswith("./") and name != "./":
        name = name[2:]
    return name


def main(folder: Path) -> int:
    agreed, differing = 0, 0
    for listed in sorted(folder.glob("*.json")):
        archive = listed.with_suffix(".zip")
        found = difference(archive, json.loads(listed.read_text()))
        if found is None:
            agreed += 1
        else:
            differing += 1
            print(f"{archive}: Python's zipfile differs: {found}")
    print(f"{agreed} accepted archives are read alike by Python's zipfile, {differing} are not")
    return 1 if differing or not agreed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
