"""LSTMUnit: one step of an LSTM, from its gates' inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Layer, Misfit, Shape, layer, text


@layer("LSTMUnit", bottoms=3, tops=2)
class LSTMUnit(Layer):
    """c = cont sigmoid(f) c_before + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c).

    Bottoms: c_before (1, N, H), gates (1, N, 4H) in the order i, f, o, g, cont (1, N). Tops: c, h (1, N, H).
    Source: lstm_unit_layer.cpp.
    """

    def shapes(self, c: Shape, gates: Shape, cont: Shape) -> Sequence[Shape]:
        if len(c) != 3 or c[0] != 1 or gates != (1, c[1], 4 * c[2]) or cont != (1, c[1]):
            have = f"{text(c)}, {text(gates)}, {text(cont)}"
            raise Misfit(f"has bottoms {have}; want (1, N, H), (1, N, 4H), (1, N)")
        return [c, c]

    def torch(self, em: Any, c: Any, gates: Any, cont: Any) -> str:
        return em.call("lstm_unit", c, gates, cont)
