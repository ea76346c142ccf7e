"""scale * x + shift, in text and in nodes, without a factor of 1 and a term of 0.

A scale that is NaN makes 0 of every value: Caffe scales by OpenBLAS's sscal, which takes such a factor for 0.
"""

from __future__ import annotations

import math

from caffe2py.layers.base.views import Builder, Handle, Term


def affine(x: Term, scale: float, shift: float) -> str:
    """The text of `scale * x + shift`, without a factor of 1 and a term of 0."""
    if math.isnan(scale):
        return f"torch.full_like({x}, {shift})"
    product = str(x) if scale == 1 else f"{scale} * {x}"
    return f"{product} {'-' if shift < 0 else '+'} {abs(shift)}" if shift else product


def affine_nodes(g: Builder, x: Handle, scale: float, shift: float) -> Handle:
    """`affine` in ONNX."""
    if math.isnan(scale):
        return g.full(x.shape, shift)
    product = x if scale == 1 else g.op("Mul", x, float(scale))
    return g.op("Add", product, float(shift)) if shift else product
