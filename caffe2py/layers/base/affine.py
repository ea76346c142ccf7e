"""scale * x + shift, in text and in nodes, without a factor of 1 and a term of 0."""

from __future__ import annotations

from caffe2py.layers.base.views import Builder, Handle, Term


def affine(x: Term, scale: float, shift: float) -> str:
    """The text of `scale * x + shift`, without a factor of 1 and a term of 0."""
    product = str(x) if scale == 1 else f"{scale} * {x}"
    return f"{product} {'-' if shift < 0 else '+'} {abs(shift)}" if shift else product


def affine_nodes(g: Builder, x: Handle, scale: float, shift: float) -> Handle:
    """`affine` in ONNX."""
    product = x if scale == 1 else g.op("Mul", x, float(scale))
    return g.op("Add", product, float(shift)) if shift else product
