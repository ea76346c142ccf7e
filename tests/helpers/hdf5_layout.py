"""Which release of HDF5 a file needs, told by the versions that stand in its own bytes (HDF5 File Format, III, IV)."""

from __future__ import annotations

import struct
from pathlib import Path

SUPERBLOCK = 8  # where its version stands
LAYOUT = 8  # the type of the message that tells how a data set is laid out


def versions(path: Path) -> tuple[int, set[int]]:
    """The versions of the superblock, and of the data sets' layouts in object headers of version 2.

    HDF5 1.8 reads superblocks up to 2 and layouts up to 3; 1.10 writes 3 and 4 where it may.
    """
    data = path.read_bytes()
    assert data.startswith(b"\x89HDF\r\n\x1a\n")
    layouts, at = set(), data.find(b"OHDR")
    while at >= 0:
        flags = data[at + 5]
        start = at + 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
        wide = 1 << (flags & 3)
        size = int.from_bytes(data[start : start + wide], "little")
        place, end = start + wide, start + wide + size
        while place + 4 <= end:
            kind, length = struct.unpack_from("<BH", data, place)
            body = place + 4 + (2 if flags & 4 else 0)
            if kind == LAYOUT and length:
                layouts.add(data[body])
            place = body + length
        at = data.find(b"OHDR", at + 4)
    return data[SUPERBLOCK], layouts
