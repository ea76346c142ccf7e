"""InnerProduct: the fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import (
    CLEARED,
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    axis,
    bias_alone,
    bias_alone_nodes,
    count,
    layer,
    onnx_rectified,
    param,
    rectified,
    unsaid,
)


@layer("InnerProduct")
class InnerProduct(Layer):
    """top = x W^T + b, with the axes of x from `axis` on flattened to K inputs; the axes before it stay.

    Blobs: weight (num_output, K), or (K, num_output) with transpose; bias (num_output).
    Source: inner_product_layer.cpp.
    """

    reads_back = "x"
    fillers = {"weight": Filler("inner_product_param.weight_filler"), "bias": Filler("inner_product_param.bias_filler")}
    num_output: int = param("inner_product_param.num_output", 0)
    bias_term: bool = param("inner_product_param.bias_term")
    axis: int = param("inner_product_param.axis")
    transpose: bool = param("inner_product_param.transpose")
    cleared: bool = unsaid(False)  # its bottom counts as 0
    relu: bool = param("inner_product_param.relu", False)  # Intel's: a ReLU is part of the layer

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if self.num_output < 1:
            raise Misfit("num_output is 0; want at least 1")
        return [(*x[: axis(self.axis, x)], self.num_output)]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        inputs = count(x, axis(self.axis, x))
        blobs: dict[str, Shape] = {"weight": (inputs, self.num_output) if self.transpose else (self.num_output, inputs)}
        return blobs | {"bias": (self.num_output,)} if self.bias_term else blobs

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str]:
        return self.changed(cleared=True), CLEARED

    def torch(self, em: Emitter, x: Term) -> str:
        start = axis(self.axis, x.shape)
        rows = x if start == len(x.shape) - 1 else f"{x}.flatten({start})"
        if self.cleared:
            return bias_alone(em, rows, 1 if self.bias_term else None)
        if self.transpose:
            product = f"{rows} @ {em.parameter(0)}" + (f" + {em.parameter(1)}" if self.bias_term else "")
            return rectified(product, self.relu)
        words = f"{count(x.shape, start)}, {self.num_output}{'' if self.bias_term else ', bias=False'}"
        state = {"weight": 0, "bias": 1} if self.bias_term else {"weight": 0}
        return rectified(f"{em.module(f'nn.Linear({words})', **state)}({rows})", self.relu)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if self.cleared:
            return bias_alone_nodes(g, g.tops[0], 1 if self.bias_term else None)
        rows = g.flatten(x, axis(self.axis, x.shape))
        weights = [g.weight(i) for i in range(2 if self.bias_term else 1)]
        top = g.op("Gemm", rows, *weights, transB=int(not self.transpose), shape=(rows.shape[0], self.num_output))
        return onnx_rectified(g, g.reshape(top, g.tops[0]), self.relu)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(self.weights(*bottoms)["weight"]) * count(bottoms[0], 0, axis(self.axis, bottoms[0]))

    def summary(self) -> str:
        words = (
            f"{self.num_output}" + (" transposed" if self.transpose else "") + ("" if self.bias_term else " no bias")
        )
        return f"{words} relu" if self.relu else words
