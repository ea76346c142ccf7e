"""Input: the blobs that a net is fed."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Layer, Misfit, Params, Shape, layer


@layer("Input", bottoms=0, tops=(1, None), is_input=True)
class Input(Layer):
    """One top for each shape given, or one shape for all. Source: input_layer.cpp."""

    given: tuple[Shape, ...] = ()
    outputs: int = 1

    @classmethod
    def read(cls, params: Params) -> Layer:
        outputs = len(params.message.top)
        given = tuple(tuple(shape.dim) for shape in params.all("input_param.shape"))
        if len(given) not in (0, 1, outputs):
            raise Misfit(f"gives {len(given)} shapes for {outputs} tops; want 1, or one for each")
        return cls(given=given, outputs=outputs)  # type: ignore[call-arg]

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return self.given * self.outputs if len(self.given) == 1 else self.given

    def summary(self) -> str:
        return ""
