"""RNN: the plain recurrent net, over a whole sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import Builder, Handle, Shape, count, layer
from caffe2py.layers.recurrent.recurrent import BIAS, WEIGHT, Recurrent


@layer("RNN", bottoms=(2, 4), tops=(1, 2))
class RNN(Recurrent):
    """h = tanh(W_x x_t + b + W_s x_static + W_h (cont_t h)); top y_t = tanh(W_o h + b_o).

    x (T, N, ...), cont (T, N): 0 where a sequence begins and 1 within it; x_static (N, ...) if any; top y (T, N, H).
    With expose_hidden, bottom h0 and top hT (1, N, H) too, through which no gradient flows.
    Each forward pass starts from zeros, as the first does in Caffe; later ones of Caffe go on from the last state where
    cont_0 is 1: to carry a state over, set expose_hidden and feed hT as the next h0.
    Blobs: weight_x (H, I), bias (H), weight_s (H, S) with x_static, weight_h (H, H), weight_o (H, H), bias_o (H).
    Source: rnn_layer.cpp, recurrent_layer.cpp.
    """

    states = ("h0",)
    function = "rnn"
    fillers = dict.fromkeys(("weight_x", "weight_s", "weight_h", "weight_o"), WEIGHT) | {"bias": BIAS, "bias_o": BIAS}

    def weights(self, x: Shape, cont: Shape, *others: Shape) -> Mapping[str, Shape]:
        n = self.num_output
        blobs: dict[str, Shape] = {"weight_x": (n, count(x, 2)), "bias": (n,)}
        if self.static:
            blobs["weight_s"] = (n, count(others[0], 1))
        return blobs | {"weight_h": (n, n), "weight_o": (n, n), "bias_o": (n,)}

    def onnx(self, g: Builder, x: Handle, cont: Handle, *others: Handle) -> Sequence[Handle]:
        (h,) = self.onnx_states(g, x, others)
        first, shape = (3 if self.static else 2), (x.shape[1], self.num_output)
        outputs = []
        for given, on in self.onnx_steps(g, x, cont, *others):
            h = g.op("Tanh", g.op("Gemm", g.op("Mul", on, h), g.weight(first), given, transB=1, shape=shape))
            y = g.op("Gemm", h, g.weight(first + 1), g.weight(first + 2), transB=1, shape=shape)
            outputs.append(g.op("Tanh", y))
        return self.onnx_tops(g, outputs, (h,))
