"""What the README and the handbook speak of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.handbook import furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, and never written into."""
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture(scope="module")
def folder(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for the tests of one file."""
    return shutil.copytree(furnished, tmp_path_factory.mktemp("folder") / "net")
