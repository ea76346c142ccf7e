"""Im2col: the patches that a convolution sees, as channels."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Shape, Term, count, layer
from caffe2py.layers.vision.spatial import window_words
from caffe2py.layers.vision.windowed import Windowed


@layer("Im2col")
class Im2col(Windowed):
    """Each patch of x as a column of channels, in the order (channel, kernel axes...).

    x (N, C, spatial...); top (N, C * kernel size, spatial as of a convolution). Source: im2col_layer.cpp.
    """

    def shapes(self, x: Shape) -> Sequence[Shape]:
        at = self.channel_axis(x)
        if at == len(x) - 1:
            raise Misfit("has no spatial axes; want at least 1")
        return [(*x[:at], x[at] * count(self.window(x)[0]), *self.sized(x))]

    def torch(self, em: Emitter, x: Term) -> str:
        kernel, stride, pad, dilation = self.window(x.shape)
        at = self.channel_axis(x.shape)
        return em.call("im2col", x, channels=at, kernel=kernel, stride=stride, pad=pad, dilation=dilation)

    def onnx(self, g: Builder, x: Handle) -> Sequence[Handle]:
        """A convolution of each channel with kernels that are 1 at one place and 0 elsewhere."""
        import numpy as np  # here, so that a net can be shown without it

        kernel, channels = self.window(x.shape)[0], x.shape[self.channel_axis(x.shape)]
        ones = np.tile(np.eye(count(kernel)), (channels, 1)).reshape(-1, 1, *kernel)
        return self.nodes(g, "Conv", [x], [g.constant(ones, "taps")], channels)

    def summary(self) -> str:
        return window_words(self.kernel, self.stride, self.pad, self.dilation)
