"""BatchReindex: samples picked by index."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, layer, overtaken, text


@layer("BatchReindex", bottoms=2)
class BatchReindex(Layer):
    """top[i] = x[index[i]], along the first axis. index (M); top (M, ...). Source: batch_reindex_layer.cpp."""

    def shapes(self, x: Shape, index: Shape) -> Sequence[Shape]:
        if len(index) != 1 or not x:
            raise Misfit(f"has bottoms of shape {text(x)} and {text(index)}; want a list of indices for the second")
        return [(*index, *x[1:])]

    over = overtaken

    def torch(self, em: Emitter, x: Term, index: Term) -> str:
        return f"torch.index_select({x}, 0, {index}.long())"

    def onnx(self, g: Builder, x: Handle, index: Handle) -> Handle:
        return g.op("Gather", x, g.cast(index, "int64"), axis=0, shape=g.tops[0])
