"""The handbook: its code runs, its links lead somewhere, it names every error, every public function and every page."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import caffe2py
from caffe2py.cli.group import cli
from tests.helpers.absent import needs_module
from tests.helpers.commands import COMMANDS
from tests.helpers.exports import write
from tests.helpers.handbook import FENCE, HANDBOOK, NOT_RUN, PAGES, PATHS, ROOT, blocks, every_block, not_run, walk
from tools.handbook.hook import on_page_markdown
from tools.handbook.messages import MARK, REST, carriers, family_of, marked, messages, raises

FURNISHED = [  # pages whose code runs among the files that the README speaks of
    "README.md", "archive.md", "dialects.md", "evaluate.md", "from-other-tools.md", "index.md", "onnx.md", "speed.md",
    "translate.md",
]  # fmt: skip
RUN_BY = {  # pages that speak of other files, and the tests that run them
    "custom-layers.md": "layers/test_custom_layers.py",
    "into-caffe.md": "frontends/test_layouts.py",
    "open-nsfw.md": "backends/test_trained.py",
    "pycaffe.md": "house/test_walks.py",
    "verify.md": "tools/test_recorder.py",
}


@pytest.mark.parametrize("page", FURNISHED)
def test_its_code_runs(page: str, furnished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(furnished, tmp_path / "net")
    if page == "from-other-tools.md":
        others_translation(folder)
    walk(page, folder)


def others_translation(folder: Path) -> None:
    """An ONNX of another program: numbers for names; and what it made of the recorded input, under Caffe's name."""
    graph = caffe2py.load(folder / "senet154.prototxt", folder / "senet154.caffemodel")
    with h5py.File(folder / "activations.h5") as file:
        x = {"data": file["input/data"][()]}
    write(caffe2py.to_torch(graph), torch.from_numpy(x["data"]), folder / "theirs.onnx", dynamo=False)
    np.savez(folder / "theirs.npz", **caffe2py.run(graph, x, style="flat"))


def test_all_code_is_run_by_a_test_or_listed() -> None:
    assert {page for page in PAGES if blocks(page)} == {*FURNISHED, *RUN_BY}
    for page, test in RUN_BY.items():
        text = (ROOT / "tests" / test).read_text(encoding="utf-8")
        assert f'blocks("{page}")' in text or f'walk("{page}", ' in text, f"{test} does not run {page}"
    for where, start in NOT_RUN:
        assert sum(not_run(where, b) for b in every_block(where) if b.text.startswith(start)) == 1, (where, start)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_no_code_has_no_commands(page: str) -> None:
    text = "".join(text for language, text in FENCE.findall(PAGES[page]) if language == "text")
    assert not re.search(r"^(\$ |caffe2py |python |pip |make )", text, re.MULTILINE)


OPTIONS = {word for found in (cli, *COMMANDS.values()) for option in found.params for word in option.opts}
OTHERS = {"--noTF32": "trtexec", "--input_model": "OpenVINO", "--against-caffe": "tools/random_nets"}
OURS = r"(?:caffe2py|tools|tests|protos|models|docs|backends|frontends|graph|layers|passes|proof|proto|structure)/"


@pytest.mark.parametrize("page", PAGES)
def test_what_it_names_is_there(page: str) -> None:
    """Options, commands, modules that are run, and the project's files and folders."""
    said = re.findall(r"`([^`\n]+)`", FENCE.sub("", PAGES[page]))
    options = {word.rstrip(",.") for text in said for word in text.split() if word.startswith("--")}
    assert options - OPTIONS - OTHERS.keys() == set()
    typed = [text.removeprefix("caffe2py ").split() for text in said if re.match(r"caffe2py [a-z]", text)]
    assert [words for words in typed if not {words[0], " ".join(words[:2])} & COMMANDS.keys()] == []
    modules = [name for text in said for name in re.findall(r"python -m ((?:tools|caffe2py)[\w.]*)", text)]
    assert [name for name in modules if find_spec(name) is None] == []
    paths = [path for text in said for path in re.findall(rf"(?<![\w/.]){OURS}[\w/.-]*", text) if "NAME" not in path]
    assert [path for path in paths if not any((ROOT / room / path).exists() for room in ("", "caffe2py"))] == []


def test_the_first_two_commands_of_the_readme_are_what_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    commands = re.findall(r"^make \w+", PAGES["README.md"], re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]
    assert all(re.search(rf"\b{command}\b", ci) for command in commands)


def anchor(heading: str) -> str:
    """As mkdocs names a heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading)).strip().lower())


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str) -> None:
    text = FENCE.sub("", PAGES[page])
    for file, place in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
        if not file.startswith(("http:", "https:", "pictures/")):
            path = PATHS[page].parent / file if file else PATHS[page]
            assert path.exists(), f"{page} links to {file}"
            if place:
                heads = re.findall(r"^#+ (.*)$", PAGES[path.name], re.MULTILINE)
                assert place in map(anchor, heads), f"{page} links to {file}#{place}"


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == [path.name for path in HANDBOOK]


def test_every_error_has_a_family_with_a_cure() -> None:
    page = PAGES["errors.md"]
    families, found = marked(page), raises()
    assert len(found) > 800
    assert sorted({r.module for r in found if family_of(r.module, families) is None}) == []
    made = on_page_markdown(page)
    assert not MARK.search(made)
    lost = [r for r in found if r.message.strip(" .:") not in ("", REST) and len(r.message.split()) > 3]
    told = " ".join(made.split())
    assert [r for r in lost if " ".join(r.message.replace("`", "'").split()) not in told] == []


def test_a_raise_is_found_however_it_is_said() -> None:
    text = """
fact = f"ends {left} bytes early" if left else "ends"
raise FileError(f"{fact}; want all", path)
raise node.error(NetError, "no bottom " + name)
raise Misfit("plain")
raise ValueError("not of ours")
def why(kind):
    return "is empty" if not kind else f"is {kind}"
if said := why(kind):
    raise FileError(said)
def wrong(self, message, at):
    return PrototxtError(message, at)
raise self.wrong(f"{token} closes nothing", 3)
"""
    kinds = {"FileError", "NetError", "Misfit", "PrototxtError"}
    tree = ast.parse(text)
    assert sorted(messages(tree, kinds, carriers(tree, kinds))) == [
        *("...", "... closes nothing", "ends ... bytes early; want all", "ends; want all", "is ...", "is empty"),
        *("no bottom ...", "plain"),
    ]


def test_every_public_function_is_in_the_api() -> None:
    homes = {f"caffe2py.{home}.{name}" for name, home in caffe2py._HOMES.items()}
    assert homes <= set(re.findall(r"^::: (\S+)$", on_page_markdown(PAGES["api.md"]), re.MULTILINE))


@pytest.mark.long
def test_it_builds_strictly(tmp_path: Path) -> None:
    """And its pages load nothing from elsewhere. CI builds it by `make docs`."""
    needs_module("mkdocs", "mkdocs")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    assert subprocess.run(words, cwd=ROOT).returncode == 0
    text = "".join(path.read_text() for path in tmp_path.glob("*.html"))
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://[^"]+\.(?:js|css|woff2?|png)"', text)
