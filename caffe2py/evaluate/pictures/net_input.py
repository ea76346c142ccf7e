"""What a net says about its own preprocessing: its input's size, and Caffe's transform_param."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.pictures.preprocessing import MEAN, Preprocessing
from caffe2py.evaluate.releases.registry import Release
from caffe2py.graph import Graph
from caffe2py.layers.base import text
from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import read_net
from caffe2py.proto.weights.mean import read_mean


@dataclass(frozen=True)
class Choices:
    """What a user asks for; None leaves it to the net, to the release it belongs to, and to the defaults.

    `mean` is values, or a mean file's name; `mean_per_channel` reduces a mean image to a value a channel.
    """

    resize: str | None = None
    size: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] | str | None = None
    mean_per_channel: bool = False
    scale: float | None = None
    channels: str | None = None
    transform: str | None = None  # a prototxt whose TEST phase has the transform_param: the net's train_val.prototxt


def preprocessing(
    graph: Graph, choices: Choices, release: Release | None = None, *, whole: bool = False
) -> Preprocessing:
    """The preprocessing of a net: first what is asked for, then its transform_param, then its release, then Caffe's.

    The shorter side is 256 for a crop of 224 to 256, and in that proportion for others. A net whose input is no
    square is fed the whole image, warped to it, and so is one that is to see the `whole` of it. `mirror` is left off,
    as it is in every published single-crop error.
    """
    depth, crop = _input(graph)
    found = _transform(choices.transform, graph)
    asked = choices.crop or found.crop
    if asked and (asked, asked) != crop:
        blob, shape = next(iter(graph.inputs.items()))
        raise CaffeError(
            f'a crop of {asked} does not fit input "{blob}" {text(shape)} of net "{graph.name}"; '
            f"want --input {blob}=1,{depth},{asked},{asked} too, where the net can take it"
        )
    resize, size = choices.resize or (release.resize if release else None), choices.size
    sides = (size, size) if size else (_shorter_side(crop[0]),) * 2
    if not choices.resize and not size and (whole or found.warp or crop[0] != crop[1]):
        resize, sides = "warp", found.warp or crop
    mean, source = _mean(graph, choices, found, release, depth)
    channels = choices.channels or ("grey" if depth == 1 else "bgr")
    if channels == "rgb" and choices.mean is None:
        mean = mean[::-1]  # means on file are in Caffe's order
    scale = choices.scale if choices.scale is not None else found.scale
    return Preprocessing(crop, sides, resize or "opencv-linear", mean, source, scale, channels)


def _shorter_side(crop: int) -> int:
    return 256 if 224 <= crop <= 256 else round(crop * 256 / 224)


@dataclass(frozen=True)
class _Transform:
    """The transform_param of a net's data layer."""

    crop: int = 0
    mean: tuple[float, ...] | str | None = None
    scale: float = 1.0
    warp: tuple[int, int] | None = None
    said: bool = False


def _transform(prototxt: str | None, graph: Graph) -> _Transform:
    """The first transform_param of a prototxt's TEST phase, or of the net itself."""
    if prototxt is None:
        messages = [node.message for node in graph.nodes if node.message is not None]
    else:
        net = filter_net(read_net(prototxt), phase="TEST", level=0, stages=())
        messages = [layer.message for layer in net.layers]
    for message in messages:
        if message.HasField("transform_param"):
            return _read(message)
    if prototxt is not None:
        raise CaffeError("no layer of its TEST phase has a transform_param", prototxt)
    return _Transform()


def _read(message: Any) -> _Transform:
    param, image = message.transform_param, message.image_data_param
    if param.mean_file and param.mean_value:
        raise CaffeError(f'layer "{message.name}" has mean_file and mean_value; want one of them')
    mean = param.mean_file or tuple(param.mean_value) or None
    warp = (image.new_height, image.new_width) if image.new_height and image.new_width else None
    return _Transform(param.crop_size, mean, param.scale, warp, said=True)


def _mean(
    graph: Graph, choices: Choices, found: _Transform, release: Release | None, depth: int
) -> tuple[tuple[float, ...] | np.ndarray, str]:
    if choices.mean is not None:
        given, why = choices.mean, "as asked"
    elif found.mean is not None:
        given, why = found.mean, "transform_param"
    elif found.said:
        given, why = (0.0,), "transform_param, which names none"
    elif release is not None and release.mean:
        given, why = release.mean, f"release {release.name}"
    else:
        given, why = (MEAN if depth == 3 else (0.0,)), "default"
    if not isinstance(given, str):
        return tuple(map(float, given)), why
    mean = read_mean(_mean_path(graph, given))
    return (mean.mean((1, 2), keepdims=True) if choices.mean_per_channel else mean), f"{why}: {Path(given).name}"


def _mean_path(graph: Graph, name: str) -> Path:
    """A mean file from where we are, as Caffe has it, else from the prototxt's folder."""
    path = Path(name)
    if not path.exists() and graph.net is not None and graph.net.file:
        for beside in (Path(graph.net.file).parent / name, Path(graph.net.file).parent / path.name):
            if beside.exists():
                return beside
    if not path.exists():
        raise FileError("no such mean file", name)
    return path


def _input(graph: Graph) -> tuple[int, tuple[int, int]]:
    """Channels, and (height, width), of the net's one input."""
    if len(graph.inputs) != 1:
        names = ", ".join(f'"{blob}"' for blob in graph.inputs) or "none"
        raise CaffeError(f'net "{graph.name}" has {len(graph.inputs)} inputs ({names}); want one, the images')
    blob, shape = next(iter(graph.inputs.items()))
    if shape is None or len(shape) != 4 or shape[1] not in (1, 3):
        raise CaffeError(f'input "{blob}" of net "{graph.name}" is {text(shape)}; want (N, 3, H, W) or (N, 1, H, W)')
    return shape[1], (shape[2], shape[3])
