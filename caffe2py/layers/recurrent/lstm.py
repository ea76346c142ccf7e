"""LSTM: a recurrent net with gates and a memory, over a whole sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import Builder, Handle, Shape, count, layer
from caffe2py.layers.recurrent.lstm_unit import onnx_step
from caffe2py.layers.recurrent.recurrent import BIAS, WEIGHT, Recurrent


@layer("LSTM", bottoms=(2, 5), tops=(1, 3))
class LSTM(Recurrent):
    """c = cont_t f c + i g, h = o tanh(c); i, f, o = sigmoid and g = tanh of W_x x_t + b + W_s x_static + W_h cont_t h.

    x (T, N, ...), cont (T, N): 0 where a sequence begins and 1 within it; x_static (N, ...) if any; top h (T, N, H).
    With expose_hidden, bottoms h0, c0 and tops hT, cT (1, N, H) too, through which no gradient flows.
    Each forward pass starts from zeros, as the first does in Caffe; later ones of Caffe go on from the last state where
    cont_0 is 1: to carry a state over, set expose_hidden and feed hT, cT as the next h0, c0.
    Blobs: weight_x (4H, I), bias (4H), weight_s (4H, S) with x_static, weight_h (4H, H); their rows i, f, o, g.
    Source: lstm_layer.cpp, lstm_unit_layer.cpp, recurrent_layer.cpp.
    """

    states = ("h0", "c0")
    function = "lstm"
    fillers = {"weight_x": WEIGHT, "bias": BIAS, "weight_s": WEIGHT, "weight_h": WEIGHT}

    def weights(self, x: Shape, cont: Shape, *others: Shape) -> Mapping[str, Shape]:
        rows = 4 * self.num_output
        blobs: dict[str, Shape] = {"weight_x": (rows, count(x, 2)), "bias": (rows,)}
        if self.static:
            blobs["weight_s"] = (rows, count(others[0], 1))
        return blobs | {"weight_h": (rows, self.num_output)}

    def onnx(self, g: Builder, x: Handle, cont: Handle, *others: Handle) -> Sequence[Handle]:
        h, c = self.onnx_states(g, x, others)
        weight, shape = g.weight(3 if self.static else 2), (x.shape[1], 4 * self.num_output)
        outputs = []
        for given, on in self.onnx_steps(g, x, cont, *others):
            gates = g.op("Gemm", g.op("Mul", on, h), weight, given, transB=1, shape=shape)
            c, h = onnx_step(g, c, gates, on, self.num_output)
            outputs.append(h)
        return self.onnx_tops(g, outputs, (h, c))
