"""What the recorder is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.nets import write_net


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A net's prototxt and caffemodel."""
    return [str(p) for p in write_net(tmp_path)]
