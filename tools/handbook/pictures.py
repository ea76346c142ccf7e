"""The handbook's pictures, made by the commands that its pages show: `python -m tools.handbook.pictures FOLDER`.

- se-resnet-50.svg: `show --svg` of the release's net;
- report.html: `verify --html` of a small SENet, one of whose layers has another epsilon than when it was recorded;
- house.svg: the rooms of the package, drawn as a net is;
- found.png: `detect` on a picture that is drawn here, with a detector whose weights are written here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

import caffe2py
from caffe2py.graph import Graph
from tools.handbook.house import draw
from tools.make_caffemodel import make_caffemodel
from tools.make_manifest import make_manifest
from tools.make_prototxt import build

MADE = "se-resnet-50.svg", "report.html", "found.png", "house.svg"
PROTOTXT = Path(__file__).resolve().parents[2] / "models" / "prototxt" / "SE-ResNet-50.prototxt"
WRONG = "conv3_2_3x3/bn"  # the layer whose epsilon is changed

# Boxes of two sizes, every 16 pixels. What is inside a box is held against what is inside and around it: the difference
# is largest where the box fits.
WIDTH, HEIGHT, STEP = 384, 256, 16
SIZES = 48, 96
LABELS = ("background", "red", "blue")
HEAD = f"""name: "shapes"
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 1 dim: 3 dim: {HEIGHT} dim: {WIDTH} }} }} }}
"""
SIZED = """
layer {{ name: "in{size}" type: "Pooling" bottom: "data" top: "in{size}"
  pooling_param {{ pool: AVE kernel_size: {size} stride: {step} }} }}
layer {{ name: "around{size}" type: "Pooling" bottom: "data" top: "around{size}"
  pooling_param {{ pool: AVE kernel_size: {wide} stride: {step} pad: {pad} }} }}
layer {{ name: "both{size}" type: "Concat" bottom: "in{size}" bottom: "around{size}" top: "both{size}" }}
layer {{ name: "say{size}" type: "Convolution" bottom: "both{size}" top: "say{size}"
  convolution_param {{ num_output: 3 kernel_size: 1 }} }}
layer {{ name: "move{size}" type: "Convolution" bottom: "both{size}" top: "move{size}"
  convolution_param {{ num_output: 4 kernel_size: 1 }} }}
layer {{ name: "turn{size}" type: "Permute" bottom: "say{size}" top: "turn{size}"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "rows{size}" type: "Flatten" bottom: "turn{size}" top: "rows{size}" }}
layer {{ name: "place{size}" type: "Permute" bottom: "move{size}" top: "place{size}"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "places{size}" type: "Flatten" bottom: "place{size}" top: "places{size}" }}
layer {{ name: "prior{size}" type: "PriorBox" bottom: "in{size}" bottom: "data" top: "prior{size}"
  prior_box_param {{ min_size: {size} step: {step} offset: {offset} }} }}
"""
TAIL = """
layer {{ name: "rows" type: "Concat" {rows} top: "rows" }}
layer {{ name: "loc" type: "Concat" {places} top: "loc" }}
layer {{ name: "prior" type: "Concat" {priors} top: "prior" concat_param {{ axis: 2 }} }}
layer {{ name: "three" type: "Reshape" bottom: "rows" top: "three"
  reshape_param {{ shape {{ dim: 0 dim: -1 dim: 3 }} }} }}
layer {{ name: "prob" type: "Softmax" bottom: "three" top: "prob" softmax_param {{ axis: 2 }} }}
layer {{ name: "conf" type: "Flatten" bottom: "prob" top: "conf" }}
layer {{ name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "found"
  detection_output_param {{ num_classes: 3 confidence_threshold: 0.3 code_type: CENTER_SIZE
    nms_param {{ nms_threshold: 0.1 }} }} }}
"""
HUES = np.array([[-0.5, -0.5, 1], [1, -0.5, -0.5]], np.float32)  # red, blue of a BGR picture; of greys both are 0


def make(folder: Path) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    net, report, found, house = (folder / name for name in MADE)
    _caffe2py(folder, "show", PROTOTXT, "--svg", net)
    with tempfile.TemporaryDirectory() as name:
        _report(Path(name), report)
        _detections(Path(name), found)
    house.write_text(draw() + "\n", encoding="utf-8")


def _report(here: Path, page: Path) -> None:
    prototxt = here / "senet.prototxt"
    prototxt.write_text(build("SE-ResNet-50", width=Fraction(1, 8), input_size=64))
    make_caffemodel(make_manifest(caffe2py.load(prototxt)), here / "senet.caffemodel")
    _caffe2py(here, "record", prototxt, "senet.caffemodel", "-o", "activations.h5")
    head, name, tail = prototxt.read_text().partition(f'name: "{WRONG}"')
    other = tail.replace("batch_norm_param {", "batch_norm_param { eps: 0.001", 1)
    prototxt.write_text(f"{head}{name}{other}")
    words = "verify", "senet.prototxt", "senet.caffemodel", "--against", "activations.h5", "--html", page
    _caffe2py(here, *words, status=3)


def _detections(here: Path, picture: Path) -> None:
    import cv2

    (here / "shapes.prototxt").write_text(prototxt())
    caffe2py.save(detector(here / "shapes.prototxt"), None, here / "shapes.caffemodel")
    (here / "names.txt").write_text("\n".join(LABELS))
    cv2.imwrite(str(here / "shapes.png"), drawing())
    words = "shapes.prototxt", "shapes.caffemodel", "shapes.png", "--mean", "0", "--names", "names.txt", "-o", picture
    _caffe2py(here, "detect", *words)


def detector(path: Path) -> Graph:
    """The net of the text below, with its weights."""
    graph = caffe2py.load(path, fill=0)
    filled = tuple(replace(n, weights=tuple(replace(w, data=_blob(w.owner)) for w in n.weights)) for n in graph.nodes)
    return replace(graph, nodes=filled)


def prototxt() -> str:
    """The prototxt of an SSD that finds red and blue things of two sizes."""
    layers = [SIZED.format(size=s, step=STEP, wide=3 * s // 2, pad=s // 4, offset=s / 2 / STEP) for s in SIZES]
    tops = {top: " ".join(f'bottom: "{name}{size}"' for size in SIZES) for top, name in ENDS.items()}
    return "".join([HEAD, *layers, TAIL.format(**tops)])


ENDS = {"rows": "rows", "places": "places", "priors": "prior"}


def _blob(owner: tuple[str, int]) -> np.ndarray:
    """A weight of the detector: what it says of the colours inside, less twice what it says of those around."""
    layer, index = owner
    if layer.startswith("move"):
        return np.zeros((4, 6, 1, 1) if index == 0 else 4, np.float32)
    if index == 1:
        return np.array([5, 0, 0], np.float32)
    around = np.float32(9 / 4 / (5 / 4))  # the pooling around holds the box too: 4 parts of 9
    inside = 1 + np.float32(1 / (5 / 4))
    rows = np.concatenate([inside * HUES, -around * HUES], axis=1) / 12
    return np.concatenate([np.zeros((1, 6), np.float32), rows]).reshape(3, 6, 1, 1)


def drawing() -> np.ndarray:
    """Balls and boxes, red and blue, on a grey wall; and a green one that is neither."""
    import cv2

    shade = np.linspace(235, 190, HEIGHT, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to(shade, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    red, blue, green = (40, 40, 210), (200, 70, 30), (70, 150, 60)
    cv2.circle(picture, (80, 176), 48, red, -1, cv2.LINE_AA)
    cv2.circle(picture, (184, 56), 24, blue, -1, cv2.LINE_AA)
    cv2.rectangle(picture, (208, 112), (303, 207), blue, -1)
    cv2.rectangle(picture, (320, 32), (367, 79), red, -1)
    cv2.circle(picture, (56, 56), 24, green, -1, cv2.LINE_AA)
    return picture


def _caffe2py(folder: Path, *words: object, status: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "caffe2py", *map(str, words)], cwd=folder, capture_output=True, text=True
    )
    if done.returncode != status:
        raise SystemExit(f"caffe2py {' '.join(map(str, words))}: status {done.returncode}\n{done.stderr}")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
