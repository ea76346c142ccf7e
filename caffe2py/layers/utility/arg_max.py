"""ArgMax: where the largest values are."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    axis,
    count,
    deep,
    layer,
    optional,
    param,
    text,
)


@layer("ArgMax")
class ArgMax(Layer):
    """The indices of the top_k largest values, the largest first; of equal values the one with the highest index.

    With `axis`: along it, and with out_max_val the values instead of the indices. Without: over all axes but the
    first, as (N, 1, top_k, 1...), and with out_max_val (N, 2, top_k, 1...): indices, then values. The top has the
    rank of x, 3 at least. Indices are numbers like any other in Caffe. NaN counts as the largest; in Caffe the steps of
    its sort decide. No gradient. Source: argmax_layer.cpp.
    """

    out_max_val: bool = param("argmax_param.out_max_val")
    top_k: int = param("argmax_param.top_k")
    axis: int | None = optional("argmax_param.axis")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if self.axis is None and not x:
            raise Misfit("has a scalar bottom; want a first axis to keep")
        at = None if self.axis is None else axis(self.axis, x)
        size = count(x, 1) if at is None else x[at]
        if not 1 <= self.top_k <= size:
            raise Misfit(f"top_k is {self.top_k} for a bottom of shape {text(x)}; want 1 to {size}")
        if at is not None:
            return [(*x[:at], self.top_k, *x[at + 1 :])]
        return [(x[0], 2 if self.out_max_val else 1, self.top_k, *(1,) * (len(x) - 3))]

    def torch(self, em: Emitter, x: Term) -> str:
        if self.axis is not None:
            return em.call("largest", x, self.top_k, self.axis) + f"[{0 if self.out_max_val else 1}]"
        rows = em.call("largest", f"{x}.flatten(1)" if len(x.shape) > 1 else f"{x}[:, None]", self.top_k, 1)
        made = f"torch.stack({rows}[::-1], 1)" if self.out_max_val else f"{rows}[1][:, None]"
        return deep(made, len(x.shape) - 3)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        at = 1 if self.axis is None else axis(self.axis, x.shape)
        rows = g.flatten(x, 1) if self.axis is None else x
        n = rows.shape[at]
        # Of equal values ONNX takes the lowest index, so that the axis is turned round.
        turned = g.slice(rows, at, -1, -n - 1, step=-1)
        shape = (*rows.shape[:at], self.top_k, *rows.shape[at + 1 :])
        values, index = g.ops("TopK", 2, turned, g.constant([self.top_k], "top_k"), axis=at, shape=shape)
        if self.axis is not None and self.out_max_val:
            return values
        found = g.cast(g.op("Sub", n - 1, index), "float")
        if self.axis is None and self.out_max_val:
            found = g.concat([g.unsqueeze(found, [1]), g.unsqueeze(values, [1])], 1)
        return g.reshape(found, g.tops[0])
