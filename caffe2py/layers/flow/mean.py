"""Mean: numbers added to the channels, or taken off them."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    count,
    layer,
    param,
    read_fields,
    text,
)


@layer("Mean", fork="FlowNet", formula=True)
class Mean(Layer):
    """top = output_scale * (input_scale * x + mean_scale * value), or with SUBTRACT - for +; a value for each channel.

    x (N, C, ...); one value is for all channels. From mean_layer.cpp of FlowNet 2; nobody ran it for a record. A mean
    that stands in a file is not read.
    """

    operation: str = param("mean_param.operation", "ADD")
    value: tuple[float, ...] = param("mean_param.value", ())
    mean_scale: float = param("mean_param.mean_scale", 1.0)
    input_scale: float = param("mean_param.input_scale", 1.0)
    output_scale: float = param("mean_param.output_scale", 1.0)

    @classmethod
    def read(cls, params: Params) -> Layer:
        if params.has("mean_param.file"):
            raise Misfit("takes its mean from a file, which is not read; want mean_param.value")
        return cls(**read_fields(cls, params))

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) < 2 or len(self.value) not in (1, x[1]):
            raise Misfit(
                f"gives {len(self.value)} values for a bottom of shape {text(x)}; want 1, or one for each channel"
            )
        return [x]

    def shifts(self) -> list[float]:
        """What is added to each channel in the end."""
        sign = self.mean_scale * (-1 if self.operation == "SUBTRACT" else 1) * self.output_scale
        return [sign * v for v in self.value]

    def torch(self, em: Emitter, x: Term) -> str:
        scale, after = self.input_scale * self.output_scale, [1] * (len(x.shape) - 2)
        shifts = self.shifts()
        shift = (
            f"{x}.new_tensor({shifts}).view(-1, {', '.join(map(str, after))})" if len(shifts) > 1 else str(shifts[0])
        )
        return f"{x} + {shift}" if scale == 1 else f"{scale} * {x} + {shift}"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        scale = self.input_scale * self.output_scale
        shift = np.array(self.shifts(), np.float32).reshape(-1, *[1] * (len(x.shape) - 2))
        return g.op("Add", x if scale == 1 else g.op("Mul", x, scale), g.constant(shift, "shift"))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])
