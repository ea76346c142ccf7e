"""Filter: the samples that a selector keeps."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, text


@layer("Filter", bottoms=(2, None), tops=(1, None))
class Filter(Layer):
    """Of each bottom but the last, the samples where the last one, the selector, is not 0.

    The shapes said here are those of a selector that keeps all; how many remain depends on its values.
    selector (N), or (N, 1...). Source: filter_layer.cpp.
    """

    measured = 0

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        *data, selector = bottoms
        if not selector or count(selector, 1) != 1:
            raise Misfit(f"has a selector of shape {text(selector)}; want one value for each sample")
        for i, x in enumerate(data):
            if x[:1] != selector[:1]:
                raise Misfit(f"bottom {i} {text(x)} is not {text(selector[:1])} samples, as the selector is")
        return data

    def torch(self, em: Emitter, *bottoms: Term) -> Sequence[str]:
        *data, selector = bottoms
        rows = selector if len(selector.shape) == 1 else f"{selector}.flatten()"
        return [f"{x}[{rows} != 0]" for x in data]

    def onnx(self, g: Builder, *bottoms: Handle) -> Sequence[Handle]:
        *data, selector = bottoms
        kept = g.cast(g.reshape(selector, selector.shape[:1]), "bool")
        return [g.op("Compress", x, kept, axis=0) for x in data]
