"""LSTMUnit: one step of an LSTM, from its gates' inputs."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, text


@layer("LSTMUnit", bottoms=3, tops=2)
class LSTMUnit(Layer):
    """c = cont sigmoid(f) c_before + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c).

    Bottoms: c_before (1, N, H), gates (1, N, 4H) in the order i, f, o, g, cont (1, N). Tops: c, h (1, N, H).
    Source: lstm_unit_layer.cpp.
    """

    time_first = True

    def shapes(self, c: Shape, gates: Shape, cont: Shape) -> Sequence[Shape]:
        if len(c) != 3 or c[0] != 1 or gates != (1, c[1], 4 * c[2]) or cont != (1, c[1]):
            have = f"{text(c)}, {text(gates)}, {text(cont)}"
            raise Misfit(f"has bottoms {have}; want (1, N, H), (1, N, 4H), (1, N)")
        return [c, c]

    def torch(self, em: Emitter, c: Term, gates: Term, cont: Term) -> str:
        return em.call("lstm_unit", c, gates, cont)

    def onnx(self, g: Builder, c: Handle, gates: Handle, cont: Handle) -> Sequence[Handle]:
        return onnx_step(g, c, gates, g.unsqueeze(cont, [2]), c.shape[2])


def onnx_step(g: Builder, c: Handle, gates: Handle, cont: Handle, size: int) -> tuple[Handle, Handle]:
    """One step: the next c and h, for cont with a last axis of 1."""
    i, f, o, g_ = g.split(gates, [size] * 4, len(gates.shape) - 1)
    kept = g.op("Mul", g.op("Mul", cont, g.op("Sigmoid", f)), c)
    c = g.op("Add", kept, g.op("Mul", g.op("Sigmoid", i), g.op("Tanh", g_)))
    return c, g.op("Mul", g.op("Sigmoid", o), g.op("Tanh", c))
