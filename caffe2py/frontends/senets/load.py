"""A SENet's weights in a layout of others, as a Caffe net."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from caffe2py.errors import NetError, UnsupportedError, WeightError
from caffe2py.frontends.caffe.draft import float_blob
from caffe2py.frontends.caffe.targets import Target
from caffe2py.frontends.caffe.targets import target as named
from caffe2py.frontends.senets.layouts import COUNTED, Blobs, Layout, blobs_of, layout
from caffe2py.frontends.senets.text import SCALED, Ways, net_text
from caffe2py.frontends.tensors.read import Tensors, read_tensors
from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.layers.base import Shape
from caffe2py.proto.net import parse_net
from caffe2py.proto.text.prototxt import NetText
from caffe2py.proto.weights.blobs import Blob
from caffe2py.proto.weights.layers import LayerBlobs, Weights

FEEDS = ("as-is", "caffe")
INPUT = "data"
FIRST = "Convolution"


def load_layout(
    path: str | os.PathLike[str],
    name: str,
    *,
    inputs: Mapping[str, Shape] | None = None,
    target: Target | str | None = None,
    axpy: bool = False,
    feed: str = "as-is",
) -> Graph:
    """Read weights that are called as in `name` ("timm/seresnet50") as a graph of Caffe's layers.

    The blobs are the file's values, bit for bit. `feed` says what the net is fed: "as-is", RGB pictures as the weights
    were trained with; or "caffe", BGR from 0 to 255 less a mean, with the channels of the first convolution turned and
    a Scale by the deviation before it, which is exact at the border too. `inputs` is another size of the pictures,
    `{"data": (1, 3, 288, 288)}`; with `axpy` a gated sum is the release's layer. Raises `WeightError`, which lists
    all tensors that are missing, too many, or of another shape.
    """
    found, tensors = layout(name), read_tensors(path)
    file = os.fspath(path)
    shape = _shape(dict(inputs or {}), found, file)
    head = _head(found, feed)
    caffe = named(target)
    ways = _ways(found, caffe, axpy, feed)
    classes = next(iter(tensors.get(f"{found.words.classifier}.weight", np.empty((1000, 0))).shape), 0)
    try:
        text = net_text(found.arch, shape, classes, head, ways)
    except ValueError as error:
        raise NetError(str(error), file) from None
    net = replace(parse_net(text, file), head=tuple(head), format=caffe.format)
    _check_target(net, caffe)
    _check(found, tensors, _wanted(build(net)), file)
    layers = (*_scaled(found, feed), *_layers(found, tensors, feed))
    return build(net, Weights(file, found.model, layers, "V2"))


def built(found: Layout, shape: Shape, classes: int) -> Graph:
    """The net of a layout, without weights, for pictures of that shape."""
    return build(parse_net(net_text(found.arch, shape, classes, (), Ways(axpy=False)), found.name))


def _shape(inputs: dict[str, Shape], found: Layout, file: str) -> Shape:
    shape = tuple(inputs.pop(INPUT, (1, 3, found.size, found.size)))
    if inputs or len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
        raise NetError(f'want one input, "{INPUT}" of shape (N, 3, S, S), for {found.name}', file)
    return shape


def _ways(found: Layout, target: Target, axpy: bool, feed: str) -> Ways:
    """How the net is said. The means of the pictures stand where Caffe has a place for them."""
    means = [round(255 * m, 4) for m in (found.mean[::-1] if feed == "caffe" else found.mean)]
    return Ways(axpy, target.has("pooling_param.round_mode"), {"mean_value": means}, scaled=feed == "caffe")


def _head(found: Layout, feed: str) -> list[str]:
    """What the net is fed, in words."""
    if feed == "caffe":
        means = ", ".join(f"{255 * m:g}" for m in found.mean[::-1])
        return [f"BGR pictures, 0 to 255, less the means {means}."]
    means, deviations = (", ".join(f"{255 * v:g}" for v in values) for values in (found.mean, found.std))
    return [f"RGB pictures, 0 to 255, less the means {means}, divided by {deviations}."]


def _scaled(found: Layout, feed: str) -> Iterator[LayerBlobs]:
    """The Scale before the first convolution: one over the deviation of each channel, blue first."""
    if feed == "caffe":
        factors = 1 / (255 * np.array(found.std[::-1], np.float64))
        yield LayerBlobs(SCALED, "Scale", (Blob(factors.astype(np.float32)),))


def _layers(found: Layout, tensors: Tensors, feed: str) -> Iterator[LayerBlobs]:
    for i, each in enumerate(blobs_of(found)):
        arrays = [float_blob(tensors[t]) for t in each.tensors]
        if found.words.flat_gates and each.type == FIRST and arrays[0].ndim == 2:
            arrays[0] = arrays[0].reshape(*arrays[0].shape, 1, 1)
        if i == 0 and feed == "caffe":
            arrays[0] = arrays[0][:, ::-1]
        if each.type == "BatchNorm":
            arrays.append(np.ones(1, np.float32))
        yield LayerBlobs(each.layer, each.type, tuple(map(Blob, arrays)))


def _check_target(net: NetText, target: Target) -> None:
    """Raise `UnsupportedError` where the Caffe that must read the net lacks layers of it."""
    lost: dict[str, str] = {}
    for layer in net.layers:
        for what in target.lacks(layer.message) if layer.message.type != "Input" else ():
            lost.setdefault(what, layer.message.name)
    if lost:
        faults = [f'{what}, as of layer "{name}"' for what, name in lost.items()]
        raise UnsupportedError(f"{target.name} has not all that the net is said with", net.file, faults)


def _wanted(graph: Graph) -> dict[str, list[Shape]]:
    return {node.name: [w.shape for w in node.weights] for node in graph.nodes if node.weights}


def _check(found: Layout, tensors: Tensors, wanted: Mapping[str, list[Shape]], file: str) -> None:
    """Raise `WeightError` where the file's tensors are not those of the layout, naming all."""
    used: set[str] = set()
    faults = []
    for each in blobs_of(found):
        for tensor, shape in zip(each.tensors, _shapes(found, each, wanted[each.layer]), strict=False):
            used.add(tensor)
            if tensor not in tensors:
                faults.append(f"{tensor} is missing")
            elif tensors[tensor].shape != shape:
                faults.append(f"{tensor} is {tensors[tensor].shape}; want {shape}")
    faults += [f"{t} is too many" for t, a in tensors.items() if t not in used and not t.endswith(COUNTED) and a.ndim]
    if faults:
        raise WeightError(f"the tensors are not those of {found.name}", file, faults)


def _shapes(found: Layout, each: Blobs, shapes: list[Shape]) -> list[Shape]:
    """The shapes of a layer's blobs as the layout has them."""
    gate = found.words.flat_gates and each.layer.endswith(("1x1_down", "1x1_up"))
    return [shapes[0][:2], *shapes[1:]] if gate else shapes
