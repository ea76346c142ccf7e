"""Split: one blob under several names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Layer, Params, Shape, layer


@layer("Split", tops=(1, None))
class Split(Layer):
    """Each top is x. Source: split_layer.cpp."""

    idle = True
    outputs: int = 1

    @classmethod
    def read(cls, params: Params) -> Layer:
        return cls(outputs=len(params.message.top))  # type: ignore[call-arg]

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [x] * self.outputs

    def torch(self, em: Any, x: Any) -> Sequence[str]:
        return [x] * self.outputs

    def onnx(self, g: Any, x: Any) -> Any:
        return [x] * self.outputs

    def summary(self) -> str:
        return ""
