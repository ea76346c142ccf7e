"""A ReLU that is part of another layer, as Intel's Caffe has it in convolutions and inner products."""

from __future__ import annotations

from caffe2py.layers.base.views import Builder, Handle


def rectified(x: str, relu: bool, slope: float = 0.0) -> str:
    """The text of x, or of its ReLU."""
    if not relu:
        return x
    return f"F.leaky_relu({x}, {slope})" if slope else f"F.relu({x})"


def onnx_rectified(g: Builder, x: Handle, relu: bool, slope: float = 0.0) -> Handle:
    """The same in ONNX."""
    if not relu:
        return x
    return g.op("LeakyRelu", x, alpha=slope) if slope else g.op("Relu", x)
