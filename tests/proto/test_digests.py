"""Hashes of files: of every state of a file, from one reading for all who ask."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caffe2py.errors import FileError
from caffe2py.proto.disk import digests
from caffe2py.proto.disk.digests import GIT, LARGE, digest


@pytest.mark.parametrize("size", [5, LARGE + 5])
def test_a_file_that_changes_has_another_hash(tmp_path: Path, size: int) -> None:
    file = tmp_path / "f"
    for number, content in enumerate((b"a" * size, b"b" * size)):
        file.write_bytes(content)
        os.utime(file, ns=(0, number))
        assert digest(file) == hashlib.sha256(content).hexdigest()


def test_threads_that_ask_at_once_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    work = digests.range_digests

    def counted(path: Path, algorithms: list[str], start: int, size: int) -> dict[str, str]:
        read.extend(algorithms)
        return work(path, algorithms, start, size)

    monkeypatch.setattr(digests, "range_digests", counted)
    (tmp_path / "f").write_bytes(bytes(20 * LARGE))
    asked = [("sha256",), ("sha256", "sha512"), ("sha512", GIT), ("sha256",)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda names: digests.digests(tmp_path / "f", names), asked))
    assert sorted(read) == [GIT, "sha256", "sha512"]
    assert found[0]["sha256"] == found[1]["sha256"] == found[3]["sha256"]
    assert found[1]["sha512"] == found[2]["sha512"] == hashlib.sha512(bytes(20 * LARGE)).hexdigest()


def test_what_cannot_be_read_is_told_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="no such file"):
        digest(tmp_path / "f")
    (tmp_path / "f").write_bytes(bytes(LARGE))
    work = digests.range_digests
    monkeypatch.setattr(digests, "range_digests", lambda path, names, start, size: work(path, names, start, size + 1))
    for _ in range(2):
        with pytest.raises(FileError, match=r"f: ends 1 bytes too early"):
            digest(tmp_path / "f")
    monkeypatch.undo()
    assert digest(tmp_path / "f") == hashlib.sha256(bytes(LARGE)).hexdigest()
