"""Tars from anywhere, member by member."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import damage_told


def members(path: str | os.PathLike[str]) -> Iterator[tarfile.TarInfo]:
    """What is in a tar that is not compressed. Raises FileError: no such tar, a damaged one, a size that is not there.

    A size below 0 would lead back to the same header, and so on without end.
    """
    with damage_told(path, "tar, or one that is compressed: unpack it"), tarfile.open(path, "r:") as tar:
        size = os.stat(path).st_size
        for each in tar:
            if each.size < 0 or each.offset_data + each.size > size:
                raise FileError(f'"{each.name}" says {each.size} bytes, which are not there', os.fspath(path))
            yield each
