"""Data, and what the data layers share: Caffe reads their blobs from files, here they are inputs of the net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffe2py.layers.base import Layer, Params, Shape, layer


@dataclass(frozen=True)
class Source(Layer):
    """A data layer: samples (batch_size, channels, height, width) and a label (batch_size) for each.

    A size that the prototxt does not tell is 0, and a shape with such a size is not known: the rest stands in the
    data themselves, which a translated net does not read.
    """

    batch_size: int = 0
    channels: int = 0
    height: int = 0
    width: int = 0
    outputs: int = 1

    def shapes(self, *bottoms: Shape) -> Sequence[Shape | None]:
        samples = (self.batch_size, self.channels, self.height, self.width)
        labels = (self.batch_size,) if self.batch_size else None
        return [samples if all(samples) else None, *[labels] * (self.outputs - 1)]

    def summary(self) -> str:
        """`64x?x227x227`: what the prototxt tells, where it does not tell all."""
        if self.shapes()[0] is not None:
            return ""
        return "x".join(str(n or "?") for n in (self.batch_size, self.channels, self.height, self.width))


@layer("Data", bottoms=0, tops=(1, 2), is_input=True)
class Data(Source):
    """Samples from a LevelDB or LMDB, and labels.

    Their height and width are crop_size; their channels show where there are several mean_value, or where they
    are forced to color or gray. Source: data_layer.cpp, data_transformer.cpp.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        crop = params.get("transform_param.crop_size")
        means = len(params.all("transform_param.mean_value"))
        color, gray = (params.get(f"transform_param.force_{word}") for word in ("color", "gray"))
        channels = means if means > 1 else 3 if color else 1 if gray else 0
        batch = params.get("data_param.batch_size", 0)
        return cls(batch, channels, crop, crop, len(params.message.top))
