"""`caffe.draw`: a net as a picture, layers as boxes and blobs as octagons, by Graphviz."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from caffe2py.errors import CaffeError
from caffe2py.proto.filter import meets
from caffe2py.proto.schema import NetState
from caffe2py.pycaffe.proto import caffe_pb2

LAYER_STYLE_DEFAULT = {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}
NEURON_LAYER_STYLE = {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}
BLOB_STYLE = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}
COLORS = {"Convolution": "#FF5050", "Deconvolution": "#FF5050", "Pooling": "#FF9900", "InnerProduct": "#CC33FF"}


def get_pooling_types_dict() -> dict[int, str]:
    """The names of the ways to pool, by number."""
    values = caffe_pb2.PoolingParameter.PoolMethod.DESCRIPTOR.values
    return {value.number: value.name for value in values}


def get_edge_label(layer: Any) -> str:
    """What an edge out of a layer says: the size of what is made."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return '""'


def get_layer_lr_mult(layer: Any) -> Any:
    """The learning-rate factors of a layer that learns, 1.0 where none are given, None for other layers."""
    if layer.type not in ("Convolution", "Deconvolution", "InnerProduct"):
        return None
    return [spec.lr_mult for spec in layer.param] or 1.0


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """What a layer's box says: in one line where the net is drawn from top to bottom, else in several."""
    separator = " " if rankdir in ("TB", "BT") else "\\n"
    words = [_escaped(layer.name), f"({layer.type})"]
    if layer.type in ("Convolution", "Deconvolution"):
        said = layer.convolution_param
        words += _window(said.kernel_size, said.stride, said.pad)
    elif layer.type == "Pooling":
        said = layer.pooling_param
        words[1] = f"({get_pooling_types_dict()[said.pool]} {layer.type})"
        words += _window([said.kernel_size], [said.stride], [said.pad])
    elif display_lrm and layer.type == "InnerProduct":
        pass
    text = separator.join(words)
    rate = get_layer_lr_mult(layer) if display_lrm else None
    if rate is not None:
        text += f"{separator}lr mult: {rate:.1f}" if isinstance(rate, float) else f"{separator}lr mult: {rate}"
    return f'"{text}"'


def _window(kernel: Any, stride: Any, pad: Any) -> list[str]:
    return [
        f"kernel size: {kernel[0] if len(kernel) else 1}",
        f"stride: {stride[0] if len(stride) else 1}",
        f"pad: {pad[0] if len(pad) else 0}",
    ]


def choose_color_by_layertype(layertype: str) -> str:
    """The color of a layer's box."""
    return COLORS.get(layertype, "#6495ED")


def get_pydot_graph(
    caffe_net: Any, rankdir: str, label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Any:
    """A `pydot.Dot` of a NetParameter; with `phase` (TRAIN or TEST), of the layers that are in it then."""
    pydot = _pydot()
    dot = pydot.Dot(caffe_net.name if caffe_net.name else "Net", graph_type="digraph", rankdir=rankdir)
    nodes: dict[str, Any] = {}
    edges = []
    for layer in caffe_net.layer:
        if phase is not None and not _in_phase(layer, phase):
            continue
        box = f"{layer.name}_{layer.type}"
        in_place = len(layer.bottom) == len(layer.top) == 1 and layer.bottom[0] == layer.top[0]
        style = dict(NEURON_LAYER_STYLE if in_place else LAYER_STYLE_DEFAULT)
        if not in_place:
            style["fillcolor"] = choose_color_by_layertype(layer.type)
        nodes[box] = pydot.Node(_quoted(box), label=get_layer_label(layer, rankdir, display_lrm), **style)
        for bottom in layer.bottom:
            nodes[f"{bottom}_blob"] = pydot.Node(_quoted(f"{bottom}_blob"), label=_quoted(bottom), **BLOB_STYLE)
            edges.append((f"{bottom}_blob", box, '""'))
        for top in layer.top:
            nodes[f"{top}_blob"] = pydot.Node(_quoted(f"{top}_blob"), label=_quoted(top), **BLOB_STYLE)
            edges.append((box, f"{top}_blob", get_edge_label(layer) if label_edges else '""'))
    for node in nodes.values():
        dot.add_node(node)
    for tail, head, label in edges:
        dot.add_edge(pydot.Edge(nodes[tail], nodes[head], label=label))
    return dot


def _in_phase(layer: Any, phase: int) -> bool:
    state = NetState(phase=phase)
    if layer.HasField("phase"):
        return bool(layer.phase == phase)
    if layer.include:
        return any(meets(state, rule) for rule in layer.include)
    return not any(meets(state, rule) for rule in layer.exclude)


def _quoted(name: str) -> str:
    return f'"{_escaped(name)}"'


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """The picture's bytes; `ext` is png, svg, pdf, or another format of Graphviz."""
    text = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm).to_string()
    try:
        from pygraphviz import AGraph
    except ImportError:
        raise CaffeError("drawing needs pygraphviz: pip install 'caffe2py[runtime]'") from None
    made: bytes = AGraph(string=text).draw(format=ext, prog="dot")
    return made


def draw_net_to_file(
    caffe_net: Any,
    filename: str | os.PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Write the picture; the file's suffix says its format."""
    ext = Path(filename).suffix.removeprefix(".")
    Path(filename).write_bytes(draw_net(caffe_net, rankdir, ext, phase, display_lrm))


def _pydot() -> Any:
    try:
        import pydot
    except ImportError:
        raise CaffeError("drawing needs pydot: pip install 'caffe2py[runtime]'") from None
    return pydot
