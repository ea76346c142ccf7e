"""Silence: a reader for blobs that nobody else reads, so that they are no outputs."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Shape, Term, layer


@layer("Silence", bottoms=(1, None), tops=0)
class Silence(Layer):
    """Makes nothing. Source: silence_layer.cpp."""

    idle = True

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return ()

    def torch(self, em: Emitter, *bottoms: Term) -> Sequence[str]:
        return ()

    def onnx(self, g: Builder, *bottoms: Handle) -> Sequence[Handle]:
        return ()
