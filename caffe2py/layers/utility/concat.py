"""Concat along one axis."""

from __future__ import annotations

from collections.abc import Sequence

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
    layer,
    param,
    read_fields,
    text,
)


@layer("Concat", bottoms=(1, None))
class Concat(Layer):
    """The bottoms one after another along `axis` (concat_dim in old files). Source: concat_layer.cpp."""

    axis: int = param("concat_param.axis")

    @classmethod
    def read(cls, params: Params) -> Layer:
        if not params.has("concat_param.concat_dim"):
            return cls(**read_fields(cls, params))
        if params.has("concat_param.axis"):
            raise Misfit("gives both axis and concat_dim; want one of the two")
        return cls(axis=params.get("concat_param.concat_dim"))  # type: ignore[call-arg]

    def may_be_in_place(self, bottoms: int, tops: int) -> bool:
        return bottoms == 1

    def shares_memory(self, bottoms: int, tops: int) -> bool:
        return bottoms == 1

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        first = bottoms[0]
        at = axis(self.axis, first)
        for i, x in enumerate(bottoms):
            if len(x) != len(first) or (*x[:at], *x[at + 1 :]) != (*first[:at], *first[at + 1 :]):
                raise Misfit(f"bottom {i} {text(x)} does not fit bottom 0 {text(first)} beside axis {at}")
        return [(*first[:at], sum(x[at] for x in bottoms), *first[at + 1 :])]

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        return f"torch.cat([{', '.join(bottoms)}], {self.axis})" if len(bottoms) > 1 else str(bottoms[0])

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle:
        return g.concat(bottoms, axis(self.axis, bottoms[0].shape))
