"""The pictures of the handbook: all that the pages show are made, and show what they are said to show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caffe2py.evaluate import detect
from caffe2py.evaluate.pictures.net_input import Choices
from tests.helpers.absent import needs_module
from tools.handbook import house, pictures

ROOT = Path(__file__).resolve().parents[2]


def test_every_picture_of_a_page_is_made() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    assert set(re.findall(r"pictures/([\w.-]+)", text)) == set(pictures.MADE)


def test_the_detector_finds_what_is_drawn(tmp_path: Path) -> None:
    cv2 = needs_module("cv2", "OpenCV")
    (tmp_path / "net.prototxt").write_text(pictures.prototxt())
    cv2.imwrite(str(tmp_path / "picture.png"), pictures.drawing())
    graph = pictures.detector(tmp_path / "net.prototxt")
    (image,), _ = detect(graph, [tmp_path / "picture.png"], choices=Choices(mean=(0.0,)))
    found = {(pictures.LABELS[thing.label], *(round(x) for x in thing.box)) for thing in image.things}
    assert found == {
        ("red", 32, 128, 128, 224),
        ("red", 320, 32, 368, 80),
        ("blue", 160, 32, 208, 80),
        ("blue", 208, 112, 304, 208),
    }


@pytest.mark.long
def test_all_are_made(tmp_path: Path) -> None:
    """`make docs` makes them whenever CI runs."""
    pictures.make(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(pictures.MADE)
    assert "explains it" in (tmp_path / "report.html").read_text()


def test_the_house_has_its_rooms_below_each_other() -> None:
    below = house.nearest({"a": set(), "b": {"a"}, "c": {"a", "b"}})
    assert below == {"a": set(), "b": {"a"}, "c": {"b"}}
    rooms = {path.parent.name for path in house.PACKAGE.glob("*/__init__.py")}
    needs_module("pygraphviz", "pygraphviz")
    names = re.findall(r'class="name"[^>]*>([^<]+)<', house.draw())
    assert sorted(names) == sorted(f"{room}/" for room in rooms)
