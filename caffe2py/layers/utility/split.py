"""Split: one blob under several names."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Params, Shape, Term, layer


@layer("Split", tops=(1, None), in_place=False)
class Split(Layer):
    """Each top is x. Source: split_layer.cpp."""

    idle = True
    outputs: int = 1

    @classmethod
    def read(cls, params: Params) -> Layer:
        return cls(outputs=len(params.message.top))  # type: ignore[call-arg]

    def shares_memory(self, bottoms: int, tops: int) -> bool:
        return True

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [x] * self.outputs

    def torch(self, em: Emitter, x: Term) -> Sequence[str]:
        return [x] * self.outputs

    def onnx(self, g: Builder, x: Handle) -> Sequence[Handle]:
        return [x] * self.outputs

    def summary(self) -> str:
        return ""
