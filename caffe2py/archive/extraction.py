"""Taking a bundle out of its tar, and saying what is in one."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

from caffe2py.archive.bundles.bundle import HISTORY, open_bundle
from caffe2py.errors import FileError
from caffe2py.proto.disk.staging import check_target, publish, staged


def extract(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Take the files of a bundle's tar out into the folder `out`, which appears whole or not at all.

    Links, devices and paths that lead elsewhere are refused, and sizes are held against the file's own before a byte
    is written. Hashes are not looked at: `check` does that. Raises `FileError`.
    """
    source, target = Path(path), Path(out)
    if source.is_dir():
        raise FileError("is a folder already; want the tar of a bundle", str(path))
    bundle = open_bundle(source)
    if bundle.faults:
        raise FileError(f"{bundle.faults[0]}; it is not taken out", str(path))
    if target.suffix == ".tar":
        raise FileError("want the name of a folder", str(out))
    check_target(target)
    wanted = {member.name for member in bundle.members.values()}
    with staged(target) as folder:
        try:
            with tarfile.open(source, "r:") as tar:
                tar.extractall(folder, [each for each in tar if each.name in wanted], filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise FileError(f"cannot be taken out: {error}", str(path)) from None
        publish(folder / bundle.name, target)
    return target


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a bundle says of itself, in plain values: its history, and the number and size of its files.

    Nothing is checked. Raises `FileError` where there is no bundle.
    """
    bundle = open_bundle(path)
    history = bundle.read_json(HISTORY)
    return {
        "bundle": os.fspath(path),
        "form": "tar" if bundle.members else "folder",
        "files": len(bundle.sizes),
        "size": sum(bundle.sizes.values()),
        **history,
    }
