"""Lstm: the recurrent layer of CTPN, whose name differs from Caffe's own LSTM in its capitals alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    count,
    layer,
    param,
    read_fields,
    text,
)
from caffe2py.layers.recurrent.lstm_unit import onnx_step


@layer("Lstm", bottoms=(1, 2), fork="CTPN")
class Lstm(Layer):
    """c = f c + i g, h = o tanh(c); i, f, o = sigmoid and g = tanh of W_x x_t + W_h h1 + b, from zeros on.

    x (T, N, I); cont (T, N), if any, is 0 where a sequence begins; top h (T, N, H). h1 is the h of the first of the N
    sequences, for all of them: so the fork computes on a CPU, which is what was recorded, while on a GPU each has its
    own. clipping_threshold bounds gradients in training, which is not done here. Blobs: weight_x (4H, I),
    weight_h (4H, H), bias (4H); their rows i, f, o, g. Source: lstm_layer.cpp of tianzhi0549/CTPN, after
    junhyukoh/caffe-lstm.
    """

    time_first = True
    fillers = {
        "weight_x": Filler("lstm_param.weight_filler"),
        "weight_h": Filler("lstm_param.weight_filler"),
        "bias": Filler("lstm_param.bias_filler"),
    }
    num_output: int = param("lstm_param.num_output", 0)
    clipping_threshold: float = param("lstm_param.clipping_threshold", 0.0)

    @classmethod
    def read(cls, params: Params) -> Layer:
        params.has("lstm_param.batch_size")  # of an input of two axes, from which CTPN's has grown
        return cls(**read_fields(cls, params))

    def shapes(self, x: Shape, *cont: Shape) -> Sequence[Shape]:
        if len(x) != 3 or any(c != x[:2] for c in cont):
            raise Misfit(f"has bottoms {', '.join(map(text, (x, *cont)))}; want x (T, N, I), and cont (T, N) if any")
        if self.num_output < 1:
            raise Misfit("num_output is 0; want at least 1")
        return [(*x[:2], self.num_output)]

    def weights(self, x: Shape, *cont: Shape) -> Mapping[str, Shape]:
        rows = 4 * self.num_output
        return {"weight_x": (rows, x[2]), "weight_h": (rows, self.num_output), "bias": (rows,)}

    def torch(self, em: Emitter, x: Term, *cont: Term) -> str:
        return em.call("lstm_of_first", x, *cont or ("None",), *(em.parameter(i) for i in range(3)))

    def onnx(self, g: Builder, x: Handle, *cont: Handle) -> Handle:
        t, n, size = x.shape
        rows, ones, outputs = 4 * self.num_output, [1] * int(t), []
        given = g.op("Gemm", g.reshape(x, (t * n, size)), g.weight(0), g.weight(2), transB=1, shape=(t * n, rows))
        steps = g.split(g.reshape(given, (t, n, rows)), ones, 0)
        begins: Sequence[Handle | None] = [None] * len(steps)
        if cont:
            within = g.cast(g.op("Not", g.op("Equal", cont[0], 0.0)), "float")
            begins = g.split(g.reshape(within, (t, n, 1)), ones, 0)
        h = c = g.full((n, self.num_output), 0.0)
        for step, begin in zip(steps, begins, strict=True):
            on = g.full((n, 1), 1.0) if begin is None else g.reshape(begin, (n, 1))
            first = g.op("Gemm", g.slice(h, 0, 0, 1), g.weight(1), transB=1, shape=(1, rows))
            gates = g.op("Add", g.reshape(step, (n, rows)), g.op("Mul", on, first))
            c, h = onnx_step(g, c, gates, on, self.num_output)
            outputs.append(g.unsqueeze(h, [0]))
        return g.concat(outputs, 0)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0], 0, 2) * 4 * self.num_output * (bottoms[0][2] + self.num_output)
