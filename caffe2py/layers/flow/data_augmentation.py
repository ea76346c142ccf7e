"""DataAugmentation: images less their mean, and in training changed at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


@layer("DataAugmentation", fork="FlowNet", formula=True)
class DataAugmentation(Layer):
    """At test: x less its mean, that of each pixel (mean_per_pixel), or of each channel.

    x (N, C, H, W). With recompute_mean the mean is a stored one; else it is `mean`, a value for each channel, and
    without that there is none. What changes images at random in training is not done. Blobs: how many images the
    means are of (1), the mean of each pixel (1, C, H, W), of each channel (1, C, 1, 1). From the files
    data_augmentation_layer.* of FlowNet 2, which run on a GPU alone.
    """

    running = frozenset(("images", "pixel_mean", "channel_mean"))
    mean: tuple[float, ...] = param("augmentation_param.mean", ())
    recompute_mean: int = param("augmentation_param.recompute_mean", 0)
    mean_per_pixel: bool = param("augmentation_param.mean_per_pixel", True)
    crop_width: int = param("augmentation_param.crop_width", 0)
    crop_height: int = param("augmentation_param.crop_height", 0)

    @classmethod
    def read(cls, params: Params) -> Layer:
        if params.get("augmentation_param.augment_during_test", False):
            raise Misfit("changes its images at test too (augment_during_test); want false")
        return cls(**read_fields(cls, params))

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4 or len(self.mean) not in (0, x[1]):
            raise Misfit(f"has {len(self.mean)} means for a bottom of shape {text(x)}; want 4 axes, a mean a channel")
        if (self.crop_height or x[2], self.crop_width or x[3]) != x[2:]:
            raise Misfit(f"crops {text(x[2:])} to {self.crop_height} x {self.crop_width}; want the size that comes in")
        return [x]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        if not self.recompute_mean:
            return {}
        return {"images": (1,), "pixel_mean": (1, *x[1:]), "channel_mean": (1, x[1], 1, 1)}

    def torch(self, em: Emitter, x: Term) -> str:
        if self.recompute_mean:
            return f"{x} - {em.parameter(1 if self.mean_per_pixel else 2)}"
        return f"{x} - {x}.new_tensor({list(self.mean)})[:, None, None]" if self.mean else str(x)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        if self.recompute_mean:
            return g.op("Sub", x, g.weight(1 if self.mean_per_pixel else 2))
        return g.op("Sub", x, g.constant(np.array(self.mean, np.float32)[:, None, None], "mean")) if self.mean else x

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])
