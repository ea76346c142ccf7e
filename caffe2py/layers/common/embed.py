"""Embed: a learned row for each index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import Builder, Emitter, Filler, Handle, Layer, Misfit, Shape, Term, layer, param


@layer("Embed")
class Embed(Layer):
    """top = weight[x] + bias: the row of the weight that each value of x, cut to an integer, names.

    x any shape, its values 0 to input_dim - 1; top the shape of x, then num_output.
    Blobs: weight (input_dim, num_output), bias (num_output). Source: embed_layer.cpp.
    """

    reads_back = "x"
    fillers = {"weight": Filler("embed_param.weight_filler"), "bias": Filler("embed_param.bias_filler")}
    num_output: int = param("embed_param.num_output", 0)
    input_dim: int = param("embed_param.input_dim", 0)
    bias_term: bool = param("embed_param.bias_term")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if min(self.num_output, self.input_dim) < 1:
            raise Misfit(f"has input_dim {self.input_dim} and num_output {self.num_output}; want at least 1 of each")
        return [(*x, self.num_output)]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        blobs: dict[str, Shape] = {"weight": (self.input_dim, self.num_output)}
        return blobs | {"bias": (self.num_output,)} if self.bias_term else blobs

    def torch(self, em: Emitter, x: Term) -> str:
        rows = f"F.embedding({x}.long(), {em.parameter(0)})"
        return f"{rows} + {em.parameter(1)}" if self.bias_term else rows

    def onnx(self, g: Builder, x: Handle) -> Handle:
        rows = g.op("Gather", g.weight(0), g.cast(x, "int64"), axis=0, shape=g.tops[0])
        return g.op("Add", rows, g.weight(1)) if self.bias_term else rows

    def summary(self) -> str:
        return f"{self.input_dim} to {self.num_output}" + ("" if self.bias_term else " no bias")
