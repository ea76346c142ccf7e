"""Parameter: a learned blob as a top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Params, Shape, Term, layer


@layer("Parameter", bottoms=0)
class Parameter(Layer):
    """top = the blob. Blobs: value, of the shape given. Source: parameter_layer.hpp."""

    shape: Shape = ()

    @classmethod
    def read(cls, params: Params) -> Layer:
        return cls(tuple(dim for shape in params.all("parameter_param.shape") for dim in shape.dim))  # type: ignore[call-arg]

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return [self.shape]

    def weights(self, *bottoms: Shape) -> Mapping[str, Shape]:
        return {"value": self.shape}

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        return str(em.parameter(0))

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle:
        return g.weight(0)

    def summary(self) -> str:
        return ""
