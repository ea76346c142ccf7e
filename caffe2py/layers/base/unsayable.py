"""A layer that is known, and whose result nobody can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caffe2py.layers.base.layer import Layer
from caffe2py.layers.base.views import Builder, Emitter, Handle, Term
from caffe2py.layers.base.words import Misfit, Shape


@dataclass(frozen=True)
class Unsayable(Layer):
    """Stands for a layer of a known type: it prints and keeps its weights, and what must run it is told why not."""

    type: str = ""  # type: ignore[misc]
    of: Any = None  # the layer
    why: str = ""

    def shapes(self, *bottoms: Shape) -> Sequence[Shape | None]:
        found: Sequence[Shape | None] = self.of.shapes(*bottoms)
        return found

    def weights(self, *bottoms: Shape) -> Mapping[str, Shape]:
        found: Mapping[str, Shape] = self.of.weights(*bottoms)
        return found

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        raise Misfit(self.why)

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle:
        raise Misfit(self.why)

    def summary(self) -> str:
        return str(self.of.summary())
