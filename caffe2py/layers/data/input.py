"""Input: the blobs that a net is fed."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Layer, Params, Shape, layer, one_each


@layer("Input", bottoms=0, tops=(1, None), is_input=True)
class Input(Layer):
    """One top for each shape given, or one shape for all. Source: input_layer.cpp."""

    given: tuple[Shape, ...] = ()

    @classmethod
    def read(cls, params: Params) -> Layer:
        shapes = [tuple(shape.dim) for shape in params.all("input_param.shape")]
        return cls(one_each("shape", shapes, len(params.message.top)))  # type: ignore[call-arg]

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return self.given

    def summary(self) -> str:
        return ""
