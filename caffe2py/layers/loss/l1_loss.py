"""L1Loss: distances, of each value or of each place's vector."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text
from caffe2py.layers.loss.losses import onnx_sum


@layer("L1Loss", bottoms=(1, 2), loss=True, fork="FlowNet", formula=True)
class L1Loss(Layer):
    """loss = sum |x - y| / N, or with l2_per_location sum sqrt(epsilon + sum over the channels of (x - y)^2) / N.

    x and y (N, C, H, W); without y it is 0. A difference that is NaN counts as 0, and so does one below `plateau`; of a
    place's vector that is its square below plateau^2, of which the channels' mean is taken with
    l2_prescale_by_channels. With normalize_by_num_entries N is the number of differences that are not NaN, over C. From
    l1loss_layer.cu of FlowNet 2, which runs on a GPU alone; NVIDIA's for DetectNet has no parameters.
    """

    vectors: bool = param("l1_loss_param.l2_per_location", False)
    prescale: bool = param("l1_loss_param.l2_prescale_by_channels", False)
    by_entries: bool = param("l1_loss_param.normalize_by_num_entries", False)
    epsilon: float = param("l1_loss_param.epsilon", 0.01)
    plateau: float = param("l1_loss_param.plateau", 0.0)

    def shapes(self, x: Shape, *y: Shape) -> Sequence[Shape]:
        if len(x) != 4 or any(other != x for other in y):
            raise Misfit(f"has bottoms {', '.join(map(text, (x, *y)))}; want (num, channels, height, width) for both")
        return [()]

    def torch(self, em: Emitter, x: Term, *y: Term) -> str:
        words = {"vectors": self.vectors, "prescale": self.prescale, "by_entries": self.by_entries}
        given = {word: True for word, is_so in words.items() if is_so}
        numbers = {"epsilon": self.epsilon if self.vectors else 0.0, "plateau": self.plateau}
        return em.call("l1_loss", x, *y, **given, **{word: value for word, value in numbers.items() if value})

    def onnx(self, g: Builder, x: Handle, *y: Handle) -> Handle:
        d = g.op("Sub", x, y[0]) if y else x
        none = g.op("IsNaN", d)
        size = g.op("Abs", g.op("Where", none, 0.0, d))
        least = self.plateau
        if self.vectors:
            size = g.reduce("ReduceMean" if self.prescale else "ReduceSum", g.op("Mul", size, size), [1])
            least = self.plateau**2
        if self.plateau > 0:
            size = g.op("Where", g.op("Less", size, least), 0.0, size)
        if self.vectors:
            size = g.op("Sqrt", g.op("Add", size, self.epsilon))
        entries = g.number(x.shape[0])
        if self.by_entries:
            entries = g.op("Div", onnx_sum(g, g.cast(g.op("Not", none), "float")), float(x.shape[1]))
        return g.op("Div", onnx_sum(g, size), entries)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])
