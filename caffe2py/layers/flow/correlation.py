"""Correlation: how alike two maps are, shifted against each other."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text


@layer("Correlation", bottoms=2, fork="FlowNet", formula=True)
class Correlation(Layer):
    """top[c] = mean over a window and all channels of a * b shifted, or of |a - b shifted| (SUBTRACT).

    a, b (N, C, H, W), both padded with `pad` zeros. Channel c is the shift of (c % D - r) * stride_2 columns and
    (c / D - r) * stride_2 rows, with r = max_displacement / stride_2 and D = 2 r + 1. The windows, kernel_size a side,
    lie stride_1 apart, and no shifted one leaves the padded map: with K = 2 max_displacement + kernel_size - 1 there
    are ceil((H + 2 pad - K) / stride_1) rows. From correlation_layer.cu of FlowNet 2, which runs on a GPU alone;
    Dosovitskiy et al. 2015.
    """

    pad: int = param("correlation_param.pad", 0)
    kernel: int = param("correlation_param.kernel_size", 0)
    displacement: int = param("correlation_param.max_displacement", 0)
    stride_1: int = param("correlation_param.stride_1", 1)
    stride_2: int = param("correlation_param.stride_2", 1)
    do_abs: bool = param("correlation_param.do_abs", False)
    single_direction: int = param("correlation_param.single_direction", 0)
    kind: str = param("correlation_param.correlation_type", "MULTIPLY")

    def shapes(self, a: Shape, b: Shape) -> Sequence[Shape]:
        if len(a) != 4 or a != b:
            raise Misfit(f"has bottoms {text(a)} and {text(b)}; want both (num, channels, height, width)")
        if self.kernel < 1 or self.kernel % 2 == 0 or min(self.stride_1, self.stride_2) < 1:
            raise Misfit(
                f"has kernel_size {self.kernel} and strides {self.stride_1}, {self.stride_2}; want odd, 1 or more"
            )
        if self.do_abs or self.single_direction:
            raise Misfit("asks for do_abs or single_direction, which is not known; want neither")
        size = self.sized(a)
        if min(size) < 1:
            raise Misfit(f"has a bottom of shape {text(a)}, too small for its displacements; want a larger pad")
        return [(a[0], self.across**2, *size)]

    @property
    def across(self) -> int:
        """Shifts in one direction."""
        return 2 * (self.displacement // self.stride_2) + 1

    def sized(self, a: Shape) -> list[int]:
        border = self.displacement + self.kernel // 2
        return [-(-(n + 2 * self.pad - 2 * border) // self.stride_1) for n in a[2:]]

    def torch(self, em: Emitter, a: Term, b: Term) -> str:
        settings = {"pad": self.pad, "kernel": self.kernel, "displacement": self.displacement}
        settings |= {"stride_1": self.stride_1, "stride_2": self.stride_2, "subtract": self.kind == "SUBTRACT"}
        return em.call("correlation", a, b, **settings)

    def onnx(self, g: Builder, a: Handle, b: Handle) -> Handle:
        rows, columns = ((n - 1) * self.stride_1 + self.kernel for n in self.sized(a.shape))
        around = (0, 0, self.pad, self.pad)
        a, b = g.pad(a, around, around), g.pad(b, around, around)

        def part(x: Handle, top: int, left: int) -> Handle:
            return g.slice(g.slice(x, 2, top, top + rows), 3, left, left + columns)

        still = part(a, self.displacement, self.displacement)
        radius = self.across // 2
        first = self.displacement - radius * self.stride_2
        tops = []
        for c in range(self.across**2):
            shifted = part(b, first + c // self.across * self.stride_2, first + c % self.across * self.stride_2)
            alike = g.op("Abs", g.op("Sub", still, shifted)) if self.kind == "SUBTRACT" else g.op("Mul", still, shifted)
            tops.append(g.reduce("ReduceMean", alike, [1]))
        whole = g.concat(tops, 1)
        if self.kernel == self.stride_1 == 1:
            return whole
        words = {"kernel_shape": (self.kernel,) * 2, "strides": (self.stride_1,) * 2, "shape": g.tops[0]}
        return g.op("AveragePool", whole, **words)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * bottoms[0][1] * self.kernel**2
