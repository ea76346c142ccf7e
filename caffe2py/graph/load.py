"""Files to a graph."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from caffe2py import arguments
from caffe2py.graph.build import build
from caffe2py.graph.model import Graph
from caffe2py.layers.base import Shape
from caffe2py.layers.base.plugins import load_plugins
from caffe2py.layers.vision.crop import is_bare
from caffe2py.proto.disk.looks import looks_like
from caffe2py.proto.disk.pipes import settled
from caffe2py.proto.filter import PHASES, filter_net
from caffe2py.proto.forks import OWN
from caffe2py.proto.forks import dialect as known_dialect
from caffe2py.proto.net import read_net
from caffe2py.proto.notes import NumberNote
from caffe2py.proto.text.prototxt import NetText

if TYPE_CHECKING:
    from caffe2py.proto.weights.layers import Weights

Path = str | os.PathLike[str]


def load(
    prototxt: Path,
    caffemodel: Path | None = None,
    *,
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    inputs: Mapping[str, Shape] | None = None,
    fill: int | None = None,
    plugins: Sequence[Path] = (),
    dialect: str | None = None,
    variables: Mapping[str, object] | None = None,
    deploy: bool = False,
    ignore_unknown_fields: bool = False,
) -> Graph:
    """Read a net, and its weights where they are given, as a checked `Graph`.

    A caffemodel alone, in place of the prototxt, gives the net that is saved in it, without what only training needs.

    `phase`, `level` and `stages` choose the layers, as in Caffe's NetState. `inputs` gives the shapes of input
    blobs, instead of those in the file. `fill` is a seed: weights that no caffemodel gives are made as the layers'
    fillers say, and the notes tell which. `plugins` are Python files with layers of your own; they are run. `dialect`
    names the fork of Caffe that wrote a caffemodel ("ssd"), where its bytes may mean several things; with "bvlc" a Crop
    without parameters is Caffe's own. `variables` are the values of a template's variables, such as FlowNet's
    `$ADAPTED_WIDTH$`. With `deploy` a training file, which reads its data itself, becomes a net to run: without labels,
    losses and what else only training and evaluation need, in phase TEST. A field that Caffe's schema does not have
    and no layer reads is an error of whatever computes with the graph, unless `ignore_unknown_fields` is given; one
    that only training, an engine or a display reads is not.

    Where a data layer leaves the size of its pictures to the data, the channels are taken from the first layer's
    weights; the graph's notes tell it. Raises `CaffeError` with the place and the fact for every bad file.
    """
    phase = phase.upper() if isinstance(phase, str) else phase
    arguments.one_of("phase", phase, PHASES)
    level, stages = arguments.whole("level", level), arguments.names("stages", stages)
    inputs = None if inputs is None else arguments.shapes("input", inputs)
    fill = None if fill is None else arguments.whole("fill", fill, 0)
    if dialect is not None:
        known_dialect(dialect)
    load_plugins(plugins)
    prototxt, caffemodel = settled(prototxt), None if caffemodel is None else settled(caffemodel)
    if caffemodel is None and _holds_weights(prototxt):
        net, saved = _saved(prototxt, phase, level, stages, dialect)
        return build(_cut(net, dialect), saved, phase=phase, inputs=inputs, ignore_unknown_fields=ignore_unknown_fields)
    whole = read_net(prototxt, variables)
    net = filter_net(whole, phase=phase, level=level, stages=tuple(stages))
    weights: Weights | None = None
    if caffemodel is not None or deploy:
        net, weights, told = _with_weights(whole, net, caffemodel, deploy and phase == "TEST")
        inputs = {**told, **(inputs or {})}
    ignore, partial = ignore_unknown_fields, fill is not None
    graph = build(
        _cut(net, dialect), weights, phase=phase, inputs=inputs, ignore_unknown_fields=ignore, partial=partial
    )
    return graph if fill is None else _filled(graph, fill)


def _cut(net: NetText, dialect: str | None) -> NetText:
    """The net with the offsets that a Crop without parameters has in FCN's and HED's forks; in Caffe's own it is 0."""
    if dialect == OWN or not any(is_bare(layer.message) for layer in net.layers):
        return net
    from caffe2py.graph.coordinates import aligned  # here, so that a net can be shown without numpy

    return aligned(net)


def _with_weights(
    whole: NetText, net: NetText, caffemodel: Path | None, deploy: bool
) -> tuple[NetText, Weights | None, dict[str, Shape]]:
    """A net whose weights tell more of it, or which is to be deployed, its weights, and the shapes of inputs that they
    tell; `whole` has layers of any phase."""
    from caffe2py.graph.deploy import deployed, is_source, reads_data, told_inputs
    from caffe2py.graph.differences import differences
    from caffe2py.proto.weights.read import read_weights  # here, so that a net can be shown without numpy

    weights = None if caffemodel is None else read_weights(caffemodel)
    stored = weights.by_name if weights else {}
    told: dict[str, Shape] = {}
    if deploy and reads_data(whole):
        net = deployed(net, filter(is_source, whole.layers), stored)
    elif stored:
        told, notes = told_inputs(net, stored)
        net = replace(net, notes=(*net.notes, *notes))
    if weights is not None:
        net = replace(net, notes=(*net.notes, *differences(net, weights)))
    return net, weights, told


def _holds_weights(path: Path) -> bool:
    """Is this a binary file of no other known kind, and so a caffemodel rather than a prototxt?"""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False  # the reader of prototxts tells why
    kind = looks_like(head) if head else "text"
    return kind == "an HDF5 file" or (kind is None and not head.startswith((b"\xff\xfe", b"\xfe\xff")))  # UTF-16


def _saved(path: Path, phase: str, level: int, stages: Sequence[str], dialect: str | None) -> tuple[NetText, Weights]:
    from caffe2py.graph.saved import saved_net  # here, so that a net can be shown without numpy
    from caffe2py.proto.weights.read import read_weights

    weights = read_weights(path)
    return saved_net(weights, phase, level, stages, dialect), weights


def _filled(graph: Graph, seed: int) -> Graph:
    from caffe2py.graph.fillers import fill_weights  # here, so that a net can be shown without numpy

    lacking = [n for n in graph.nodes if any(w.data is None for w in n.weights)] if graph.weights_file else []
    names = ", ".join(f'"{n.name}" ({n.type})' for n in lacking)
    fact = f"{graph.weights_file} lacks the weights of {names}; they are made by the fillers, from seed {seed}"
    graph = fill_weights(graph, seed)
    return replace(graph, notes=(*graph.notes, NumberNote(fact))) if lacking else graph
