"""What all tests share: where the data recorded in the real Caffe lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.layer_cases import REFERENCE


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data: ``CAFFE2PY_REFERENCE``, else ``../shared/reference`` beside the repository."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference data at {REFERENCE}: set CAFFE2PY_REFERENCE to its folder")
    return REFERENCE
