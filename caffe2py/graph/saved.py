"""The net inside a caffemodel: what a solver saved, as a net to run on inputs.

A saved net is the net that was trained: Caffe has put its Split layers in, data layers read files that are long gone,
and losses and accuracies compare with labels. In phase TEST those are taken out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from caffe2py.errors import CaffemodelError
from caffe2py.graph.deploy import copied, deployed, inputs_of, is_source
from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import net_of
from caffe2py.proto.text.prototxt import LayerText, NetText
from caffe2py.proto.weights.layers import Weights


def saved_net(
    weights: Weights, phase: str = "TEST", level: int = 0, stages: Sequence[str] = (), dialect: str | None = None
) -> NetText:
    """The net that a caffemodel holds, filtered for `phase`. Raises `UnsupportedError` for HDF5, which holds none,
    and `CaffemodelError` for a file of bare weights.

    before: data (Data), conv, conv_conv_0_split (Split), ip, loss (SoftmaxWithLoss), accuracy (Accuracy)
    after:  data (Input), conv, ip         TRAIN keeps the losses; what only makes labels goes where they go
    """
    net = net_of(weights, dialect)
    if not any(layer.message.bottom for layer in net.layers):
        raise CaffemodelError(
            "holds weights, and does not say what its layers read; give the prototxt too", weights.file
        )
    sources = [layer for layer in net.layers if is_source(layer)]
    layers = [_without_phase(layer) for layer in join_splits(net.layers) if not is_source(layer)]
    net = filter_net(replace(net, layers=tuple(layers)), phase=phase, level=level, stages=stages)
    net = replace(net, notes=(*net.notes, f"no prototxt was given: the net is the one in {weights.file}"))
    if phase == "TEST":
        return deployed(net, sources, weights.by_name)
    origins = {top: layer for layer in sources for top in layer.message.top}
    inputs, notes = inputs_of(list(net.layers), origins, weights.by_name, weights.file)
    return replace(net, layers=(*inputs, *net.layers), notes=(*net.notes, *notes))


def join_splits(layers: Iterable[LayerText]) -> list[LayerText]:
    """The layers without the Splits that Caffe put in: their readers read the blob itself (insert_splits.cpp)."""
    kept: list[LayerText] = []
    real: dict[str, str] = {}  # a top of such a Split: the blob it is
    for layer in layers:
        old = layer.message
        if old.type == "Split" and list(old.top) == [f"{old.name}_{i}" for i in range(len(old.top))]:
            real.update(dict.fromkeys(old.top, real.get(old.bottom[0], old.bottom[0])))
        elif any(blob in real for blob in old.bottom):
            new = copied(old)
            new.bottom[:] = [real.get(blob, blob) for blob in old.bottom]
            kept.append(replace(layer, message=new))
        else:
            kept.append(layer)
    return kept


def _without_phase(layer: LayerText) -> LayerText:
    """Caffe saves each layer with the phase it was trained in, and the rules that let it in."""
    message = copied(layer.message)
    message.ClearField("phase")
    return replace(layer, message=message)
