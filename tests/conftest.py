"""What all tests share: where the data recorded in the real Caffe lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data: ``CAFFE2PY_REFERENCE``, else ``../shared/reference`` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "reference"
    folder = Path(os.environ.get("CAFFE2PY_REFERENCE", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}: set CAFFE2PY_REFERENCE to its folder")
    return folder
