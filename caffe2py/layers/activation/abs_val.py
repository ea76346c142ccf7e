"""AbsVal."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer


@layer("AbsVal", in_place=False)
class AbsVal(Layer):
    """top = |x|, with gradient 0 at 0. Source: absval_layer.cpp."""

    reads_back = "x"

    def torch(self, em: Emitter, x: Term) -> str:
        return f"torch.abs({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Abs", x)
