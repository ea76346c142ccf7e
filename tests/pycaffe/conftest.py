"""What pycaffe did, recorded in the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest


@pytest.fixture(scope="module")
def recorded(reference: Path) -> Iterator[h5py.File]:
    """`runtime.h5`: io, NetSpec, stepping, Classifier. `reference/runtime/README.md` tells its format."""
    with h5py.File(reference / "runtime" / "runtime.h5") as file:
        yield file
