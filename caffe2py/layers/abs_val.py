"""AbsVal."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Layer, layer


@layer("AbsVal", in_place=False)
class AbsVal(Layer):
    """top = |x|, with gradient 0 at 0. Source: absval_layer.cpp."""

    def torch(self, em: Any, x: Any) -> str:
        return f"torch.abs({x})"

    def onnx(self, g: Any, x: Any) -> Any:
        return g.op("Abs", x)
