"""HardSwish."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Term, layer


@layer("HardSwish", fork="MobileNet v3", formula=True)
class HardSwish(Layer):
    """top = x * min(max(x + 3, 0), 6) / 6. From its paper: Howard et al. 2019; files name it, without a source."""

    reads_back = "x"

    def torch(self, em: Emitter, x: Term) -> str:
        return f"F.hardswish({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.op("Mul", x, g.op("Div", g.op("Clip", g.op("Add", x, 3.0), 0.0, 6.0), 6.0))
