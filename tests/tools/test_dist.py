"""What `make dist` looks at: contents, versions, citations, and the files that a release has."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from caffe2py.version import __version__
from tools import dist

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def made(folder: Path, wheel: set[str], sdist: set[str]) -> tuple[Path, Path]:
    """A wheel and an sdist of these empty files."""
    with zipfile.ZipFile(folder / "a.whl", "w") as archive:
        for name in sorted(wheel):
            archive.writestr(name, "")
    with tarfile.open(folder / "a.tar.gz", "w:gz") as tar:
        for name in sorted(sdist):
            tar.addfile(tarfile.TarInfo(f"caffe2py-{__version__}/{name}"))
    return folder / "a.whl", folder / "a.tar.gz"


def test_what_is_missing_or_strange_stops_a_release(tmp_path: Path) -> None:
    package = {p.relative_to(ROOT).as_posix() for p in (ROOT / "caffe2py").rglob("*.py")}
    wheel, sdist = package | {f"caffe2py/{name}" for name in dist.DATA}, package | {*dist.SOURCES}
    sdist |= {f"caffe2py/{name}" for name in dist.DATA}
    dist.check_contents(*made(tmp_path, wheel, sdist))
    for lost in ("caffe2py/py.typed", "caffe2py/graph/load.py"):
        with pytest.raises(SystemExit, match=f"a.whl lacks {lost}"):
            dist.check_contents(*made(tmp_path, wheel - {lost}, sdist))
    with pytest.raises(SystemExit, match=r"a.tar.gz lacks CHANGELOG.md"):
        dist.check_contents(*made(tmp_path, wheel, sdist - {"CHANGELOG.md"}))
    with pytest.raises(SystemExit, match=r"a.whl holds tests/test_x.py"):
        dist.check_contents(*made(tmp_path, wheel | {"tests/test_x.py"}, sdist))
    with pytest.raises(SystemExit, match=r"a.tar.gz holds caffe2py/__pycache__/x.pyc"):
        dist.check_contents(*made(tmp_path, wheel, sdist | {"caffe2py/__pycache__/x.pyc"}))


def test_versions_are_told_once_and_the_same() -> None:
    assert dist.versions() == ["3.11", "3.12", "3.13", "3.14"]
    assert PROJECT["requires-python"] == f">={dist.versions()[0]}"
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_extra_that_a_message_names_is_there() -> None:
    named = set()
    for path in (ROOT / "caffe2py").rglob("*.py"):
        named |= set(re.findall(r"caffe2py\[(\w+)\]", path.read_text()))
    assert named <= set(PROJECT["optional-dependencies"]) and set(dist.WANTS.values()) <= named
