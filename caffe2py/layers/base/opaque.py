"""A layer whose type nobody has registered: it parses, prints and keeps its weights, and cannot run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffe2py.layers.base import Count, Layer, Shape


@dataclass(frozen=True)
class Opaque(Layer):
    """Stands for a layer type, or the class of a Python layer, that is not known. Its tops have no known shape."""

    type: str = ""  # type: ignore[misc]
    python: str = ""  # the module and layer that a Python layer names
    bottoms = Count(0, None)
    tops = Count(0, None)

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return ()

    def summary(self) -> str:
        return self.python
