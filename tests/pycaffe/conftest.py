"""What pycaffe did, recorded in the real one."""

from __future__ import annotations

from collections.abc import Iterator

import h5py
import pytest

from tests.helpers.reference import reference


@pytest.fixture(scope="module")
def recorded() -> Iterator[h5py.File]:
    """`runtime.h5`: io, NetSpec, stepping, Classifier. `tests/reference/README.md` tells of it."""
    with h5py.File(reference("runtime/runtime.h5")) as file:
        yield file
