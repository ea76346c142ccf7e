"""What is left of a layer whose code writes its top while a bottom still lies there: its bias, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from caffe2py.layers.base.layer import Layer
from caffe2py.layers.base.views import Builder, Emitter, FreeShape, Handle
from caffe2py.layers.base.words import Misfit, deep

CLEARED = "Caffe's code clears the top before it has read the bottom that lies there, so that the bottom counts as 0"


def overtaken(layer: Layer, bottoms: Sequence[int]) -> NoReturn:
    """The `over` of a layer that moves values."""
    raise Misfit("works in place: Caffe's code copies values over values that it still has to read")


def bias_alone(em: Emitter, x: str, bias: int | None, behind: int = 0) -> str:
    """The text of blob `bias` with `behind` axes behind its own, spread over x; of 0 where there is none."""
    if bias is None:
        return f"torch.zeros_like({x})"
    return f"torch.zeros_like({x}) + {deep(em.parameter(bias), behind)}"


def bias_alone_nodes(g: Builder, top: FreeShape, bias: int | None, behind: int = 0) -> Handle:
    """`bias_alone` in ONNX, of the top's shape."""
    zeros = g.full(top, 0.0)
    channels = top[len(top) - 1 - behind]
    return zeros if bias is None else g.op("Add", zeros, g.weight(bias, (channels, *[1] * behind)), shape=top)
