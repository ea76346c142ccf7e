"""BatchReduction: one axis reduced, over the segments of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    axis,
    count,
    layer,
    param,
    read_fields,
)


@dataclass(frozen=True)
class Segments(Layer):
    """What BatchReduction and SegConsensus share."""

    operation: str = param("batch_reduction_param.reduction_param.operation", "SUM")
    axis: int = param("batch_reduction_param.reduction_param.axis", 0)
    coeff: float = param("batch_reduction_param.reduction_param.coeff", 1.0)
    k: int = param("batch_reduction_param.reduction_param.k", 1)
    level: tuple[int, ...] = param("batch_reduction_param.level", ())

    @classmethod
    def read(cls, params: Params) -> Layer:
        if params.get("batch_reduction_param.pos", False):
            raise Misfit("asks for pos, whose meaning is not known; want false")
        return cls(**read_fields(cls, params))

    def shapes(self, x: Shape) -> Sequence[Shape]:
        at = axis(self.axis, x)
        if set(self.level) > {1}:
            raise Misfit(f"has level {', '.join(map(str, self.level))}, whose meaning is not known; want 1, or none")
        if self.operation == "TOPK" and not 1 <= self.k <= x[at]:
            raise Misfit(f"takes the {self.k} largest of {x[at]}; want 1 to {x[at]}")
        return [(*x[:at], 1, *x[at + 1 :])]

    def torch(self, em: Emitter, x: Term) -> str:
        at = axis(self.axis, x.shape)
        terms = {"ASUM": f"{x}.abs()", "SUMSQ": f"{x}.square()", "TOPK": f"{x}.topk({self.k}, {at})[0]"}
        kind = "mean" if self.operation in ("MEAN", "TOPK") else "sum"
        reduced = f"{terms.get(self.operation, x)}.{kind}({at}, keepdim=True)"
        return reduced if self.coeff == 1 else f"{self.coeff} * {reduced}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        at = axis(self.axis, x.shape)
        kinds = {"ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "SUM": "ReduceSum"}
        if self.operation == "TOPK":
            top, _ = g.ops("TopK", 2, x, g.constant([self.k], "k"), axis=at)
            x = Handle(top, (*x.shape[:at], self.k, *x.shape[at + 1 :]))
        reduced = g.reduce(kinds.get(self.operation, "ReduceMean"), x, [at])
        return reduced if self.coeff == 1 else g.op("Mul", reduced, self.coeff)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])


@layer("BatchReduction", fork="yjxiong", formula=True)
class BatchReduction(Segments):
    """The axis of reduction_param reduced to 1: SUM, ASUM, SUMSQ, MEAN, or the mean of the k largest (TOPK).

    From the fields of yjxiong/caffe's proto, of TSN; the source was not at hand, and `level` and `pos` are refused.
    """
