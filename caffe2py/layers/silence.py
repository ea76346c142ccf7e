"""Silence: a reader for blobs that nobody else reads, so that they are no outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Layer, Shape, layer


@layer("Silence", bottoms=(1, None), tops=0)
class Silence(Layer):
    """Makes nothing. Source: silence_layer.cpp."""

    idle = True

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return ()

    def torch(self, em: Any, *bottoms: Any) -> Sequence[str]:
        return ()

    def onnx(self, g: Any, *bottoms: Any) -> Any:
        return ()
