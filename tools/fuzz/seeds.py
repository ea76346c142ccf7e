"""The corpus that mutation begins from: a small net in every format, of every age, and what once broke a reader."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
from google.protobuf import text_format

import caffe2py
from caffe2py.archive.making import create
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.mean import write_mean
from tools.fuzz.readers import READERS

RECORDED = Path(__file__).resolve().parents[2] / "tests" / "reference"

NET = """name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 3 kernel_size: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
V1 = """name: "old" input: "data" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 4
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 weight_decay: 1 blobs_lr: 2
  convolution_param { num_output: 3 kernel_size: 2 weight_filler { type: "xavier" } } include { phase: TEST } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
"""
V0 = """name: "older" input: "data" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 4
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
layers { layer { name: "conv" type: "conv" num_output: 3 kernelsize: 2 stride: 1 } bottom: "pad" top: "conv" }
layers { layer { name: "relu" type: "relu" } bottom: "conv" top: "conv" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.01 lr_policy: "step" stepsize: 10 solver_type: ADAGRAD solver_mode: CPU\n'
LABELS = "n01440764/a.jpg 0\nn01443537/b.jpg 1\n"


def write_seeds(folder: Path) -> None:
    """A folder of files for each reader, below `folder`."""
    places = {name: folder / name for name in READERS}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        made = _small_files(Path(temporary))
        for name, paths in made.items():
            for i, path in enumerate(paths):
                (places[name] / f"{i}-{path.name}").write_bytes(path.read_bytes())
    for path in sorted(RECORDED.glob("hostile/**/*")):
        for name, (_, ending) in READERS.items():
            if path.name.endswith(ending):
                (places[name] / f"recorded-{path.name}").write_bytes(path.read_bytes())


def _small_files(folder: Path) -> dict[str, list[Path]]:
    def text(name: str, content: str) -> Path:
        (folder / name).write_text(content)
        return folder / name

    net, v1, v0 = text("net.prototxt", NET), text("v1.prototxt", V1), text("v0.prototxt", V0)
    solver, labels = text("solver.prototxt", SOLVER), text("labels.txt", LABELS)
    graph = caffe2py.load(net, fill=1)
    for ending in ("caffemodel", "caffemodel.h5", "pt", "onnx", "safetensors"):
        caffe2py.convert(graph, folder / f"net.{ending}")
    old = [_serialized(folder / f"{name}.caffemodel", content) for name, content in (("v1", V1), ("v0", V0))]
    write_mean(folder / "mean.binaryproto", np.ones((2, 5, 4), np.float32))
    image = {"data": np.ones((1, 2, 5, 4), np.float32)}
    caffe2py.record(graph, image, folder / "whole.h5")
    caffe2py.record(graph, image, folder / "sampled.h5", samples=4)
    np.savez(folder / "blobs.npz", **caffe2py.run(graph, image, record="blobs"))
    create(net, folder / "net.caffemodel", folder / "net.tar", date="2020-01-01")
    caffemodels = [folder / "net.caffemodel", *old]
    return {
        "prototxt": [net, v1, v0],
        "upgrade": [net, v1, v0, solver],
        "caffemodel": caffemodels,
        "hdf5": [folder / "net.caffemodel.h5"],
        "mean": [folder / "mean.binaryproto"],
        "dump": [folder / "whole.h5", folder / "sampled.h5"],
        "npz": [folder / "blobs.npz"],
        "pt": [folder / "net.pt"],
        "bundle": [folder / "net.tar"],
        "labels": [labels],
        "onnx": [folder / "net.onnx"],
        "safetensors": [folder / "net.safetensors"],
        "ckpt": sorted(RECORDED.glob("interop/mindcv/ckpt/[ps]*.ckpt")),
        "identify": [*caffemodels, folder / "net.caffemodel.h5", folder / "net.pt", folder / "whole.h5"],
    }


def _serialized(path: Path, text: str) -> Path:
    """An old net as a caffemodel, with the blobs of its convolution."""
    message = NetParameter()
    text_format.Parse(text, message)
    owners = [layer.layer if layer.HasField("layer") else layer for layer in message.layers]
    for shape in ((3, 2, 2, 2), (1, 1, 1, 3)):
        blob = next(owner for owner in owners if owner.name == "conv").blobs.add()
        blob.num, blob.channels, blob.height, blob.width = shape
        blob.data.extend(range(math.prod(shape)))
    path.write_bytes(message.SerializeToString())
    return path
