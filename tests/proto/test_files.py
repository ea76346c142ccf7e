"""What is written appears whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from caffe2py.errors import FileError
from caffe2py.proto.disk.files import written_whole
from tests.helpers.absent import needs


@needs(hasattr(os, "posix_fallocate"), "a system that takes room ahead")
def test_room_that_is_not_there_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def full(handle: int, start: int, size: int) -> None:
        asked.append(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    (tmp_path / "f").write_text("before")
    with pytest.raises(FileError, match="cannot write: no space left"), written_whole(tmp_path / "f", room=12345):
        pytest.fail("the block began")
    assert asked == [12345]
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("f", "before")]


@needs(os.name == "posix", "the modes of POSIX")
def test_a_file_keeps_its_mode_and_a_new_one_has_that_of_any_file(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("before")
    (tmp_path / "old").chmod(0o640)
    (tmp_path / "plain").write_text("")
    for name in ("old", "new"):
        with written_whole(tmp_path / name) as made:
            made.write_text("after")
    modes = {f.name: f.stat().st_mode & 0o777 for f in tmp_path.iterdir()}
    assert modes == {"old": 0o640, "plain": modes["plain"], "new": modes["plain"]}
    assert (tmp_path / "old").read_text() == "after"


def test_what_was_begun_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("before")
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "f.txt") as made:
        assert made.suffix == ".txt" and made.parent.parent == tmp_path
        made.write_text("half")
        raise KeyboardInterrupt
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("f.txt", "before")]
