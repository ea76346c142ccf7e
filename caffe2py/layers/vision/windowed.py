"""What the layers that slide a kernel over spatial axes share: Convolution, Deconvolution, Im2col."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from caffe2py.layers.base import Filler, Layer, Misfit, Params, Shape, axis, param, read_fields, text, unsaid
from caffe2py.layers.vision.spatial import at_least, read_spatial, spread

DILATION = ("dilation", "hole", "filter_stride")  # what Caffe calls it, and DeepLab's first Caffe, and ParseNet's


class Window(NamedTuple):
    """How a kernel slides: a value for each spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """The places that a kernel covers, from its first tap to its last."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


@dataclass(frozen=True)
class Windowed(Layer):
    """What Convolution and its relatives share: their parameters and how they slide over the spatial axes."""

    fillers = {"weight": Filler("convolution_param.weight_filler"), "bias": Filler("convolution_param.bias_filler")}
    num_output: int = param("convolution_param.num_output", 0)
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pad: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    group: int = param("convolution_param.group")
    bias_term: bool = param("convolution_param.bias_term")
    axis: int = param("convolution_param.axis")
    cleared: tuple[int, ...] = unsaid(())  # the bottoms that count as 0

    @classmethod
    def read(cls, params: Params) -> Layer:
        message = "convolution_param"
        return cls(
            **read_fields(cls, params),
            kernel=read_spatial(params, message, "kernel_size", "kernel"),
            stride=read_spatial(params, message, "stride", "stride"),
            pad=read_spatial(params, message, "pad", "pad"),
            dilation=next(filter(None, (read_spatial(params, message, word, word) for word in DILATION)), ()),
        )

    def window(self, x: Shape) -> Window:
        """Kernel, stride, pad and dilation for each spatial axis of x."""
        axes = len(x) - self.channel_axis(x) - 1
        kernel = spread(self.kernel, axes, None, "kernel_size")
        stride = spread(self.stride, axes, 1, "stride")
        pad = spread(self.pad, axes, 0, "pad")
        dilation = spread(self.dilation, axes, 1, "dilation")
        at_least(kernel, 1, "kernel_size")
        at_least(stride, 1, "stride")
        return Window(kernel, stride, pad, dilation)

    def channel_axis(self, x: Shape) -> int:
        return axis(self.axis, x)

    def sized(self, x: Shape) -> list[int]:
        """The spatial size of the top: (in + 2 pad - (dilation (kernel - 1) + 1)) / stride + 1.

        The quotient is cut as C does it, towards 0: a window that is larger than the padded image by less than a
        stride still has a place, and sees zeros behind the image.
        """
        sizes = []
        window = self.window(x)
        for n, s, p, e in zip(x[self.channel_axis(x) + 1 :], window.stride, window.pad, window.extent, strict=True):
            room = n + 2 * p - e
            size = (room // s if room >= 0 else -(-room // s)) + 1
            if size < 1:
                raise Misfit(
                    f"has a bottom of shape {text(x)}, too small for the window by {-room}; want a smaller kernel"
                )
            sizes.append(size)
        return sizes

    def short(self, x: Shape) -> list[int]:
        """How many places each spatial axis of x lacks, so that one window fits into it."""
        window = self.window(x)
        sizes = zip(x[self.channel_axis(x) + 1 :], window.pad, window.extent, strict=True)
        return [max(e - 2 * p - n, 0) for n, p, e in sizes]

    def channels(self, x: Shape) -> int:
        return x[self.channel_axis(x)]
