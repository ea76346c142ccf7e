"""The handbook: its code runs, its links lead somewhere, it names every error, every public function and every page."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from fractions import Fraction
from pathlib import Path

import pytest

import caffe2py
from tests.helpers.absent import needs_module
from tests.helpers.nets import command
from tools.handbook import MARK, REST, family_of, marked, on_page_markdown, raises
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest
from tools.make_prototxt import build

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN_HERE = ["translate.md", "index.md", "onnx.md", "from-other-tools.md", "speed.md"]  # in this order
RUN_ELSEWHERE = {
    "verify.md": "tests/tools/test_recorder.py",
    "open-nsfw.md": "tests/backends/test_trained.py",
    "pycaffe.md": "tests/house/test_walks.py",
    "custom-layers.md": "tests/layers/test_custom_layers.py",
    "into-caffe.md": "tests/frontends",
    "architecture.md": "a sketch of a class, of which tests/layers has the whole",
}
NEEDS = {"import onnxruntime": "onnxruntime", "import openvino": "openvino", "import cv2": "cv2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SENet-154 with its activations, under the names that the handbook uses."""
    folder = tmp_path_factory.mktemp("handbook")
    prototxt, caffemodel = folder / "senet154.prototxt", folder / "senet154.caffemodel"
    prototxt.write_text(build("SENet-154", width=Fraction(1, 16), input_size=64))
    make_caffemodel(make_manifest(caffe2py.load(prototxt)), caffemodel)
    assert command("record", prototxt, caffemodel, "-o", folder / "activations.h5").status == 0
    return folder


@pytest.mark.parametrize("page", RUN_HERE)
def test_its_code_runs(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for language, text in BLOCK.findall(PAGES[page]):
        if language == "sh":
            for line in text.splitlines():
                words = shlex.split(line)
                assert words[0] == "caffe2py"
                done = command(*words[1:])
                assert done.status == 0, (line, done)
        elif language == "python":
            for line, module in NEEDS.items():
                if line in text:
                    needs_module(module, module)
            with redirect_stdout(io.StringIO()) as said:
                exec(compile(text, page, "exec"), {"__name__": "__main__"})
            assert said.getvalue().strip(), text


def test_all_code_is_run_by_a_test() -> None:
    with_code = {name for name, text in PAGES.items() if {"sh", "python"} & {lang for lang, _ in BLOCK.findall(text)}}
    assert with_code == {*RUN_HERE, *RUN_ELSEWHERE}


def anchor(heading: str) -> str:
    """As mkdocs names a heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading)).strip().lower())


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str) -> None:
    text = BLOCK.sub("", PAGES[page])
    for file, place in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
        if not file.startswith(("http:", "https:", "pictures/")):
            assert not file or file in PAGES, f"{page} links to {file}"
            target = PAGES[file or page]
            heads = {anchor(head) for head in re.findall(r"^#+ (.*)$", target, re.MULTILINE)}
            assert not place or place in heads, f"{page} links to {file}#{place}"


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(PAGES)


def test_every_error_has_a_family_with_a_cure() -> None:
    page = PAGES["errors.md"]
    families, found = marked(page), raises()
    assert len(found) > 500
    assert sorted({r.module for r in found if family_of(r.module, families) is None}) == []
    made = on_page_markdown(page)
    assert not MARK.search(made)
    lost = [r for r in found if r.message.strip(" .:") not in ("", REST) and len(r.message.split()) > 3]
    told = " ".join(made.split())
    assert [r for r in lost if " ".join(r.message.replace("`", "'").split()) not in told] == []


def test_a_raise_is_found_however_it_is_said() -> None:
    import ast

    from tools.handbook import _messages

    text = """
fact = f"ends {left} bytes early"
raise FileError(f"{fact}; want all", path)
raise node.error(NetError, "no bottom " + name)
raise Misfit("plain")
raise ValueError("not of ours")
"""
    kinds = {"FileError", "NetError", "Misfit"}
    assert list(_messages(ast.parse(text), kinds)) == ["ends ... bytes early; want all", "no bottom ...", "plain"]


def test_every_public_function_is_in_the_api() -> None:
    homes = {f"caffe2py.{home}.{name}" for name, home in caffe2py._HOMES.items()}
    assert homes <= set(re.findall(r"^::: (\S+)$", on_page_markdown(PAGES["api.md"]), re.MULTILINE))


def test_it_builds_strictly(whole: bool, tmp_path: Path) -> None:
    """`make docs` builds it whenever CI runs; here only where all is run."""
    if whole:
        needs_module("mkdocs", "mkdocs")
        words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
        assert subprocess.run(words, cwd=ROOT).returncode == 0
        text = "".join(path.read_text() for path in tmp_path.glob("*.html"))
        assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://[^"]+\.(?:js|css|woff2?|png)"', text)
