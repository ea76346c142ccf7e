"""Im2col: the patches that a convolution sees, as channels."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Shape, Term, count, layer, overtaken
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

    def over(self, bottoms: Sequence[int]) -> None:
        if any(k > 1 for k in self.kernel):
            overtaken(self, bottoms)

    def torch(self, em: Emitter, x: Term) -> str:
        window = self.window(x.shape)
        return em.call("im2col", x, channels=self.channel_axis(x.shape), **window._asdict())

    def onnx(self, g: Builder, x: Handle) -> Handle:
        """Each top value is one place of the padded image: their numbers are worked out here, and gathered."""
        import numpy as np  # here, so that a net can be shown without it

        window, at, sized = self.window(x.shape), self.channel_axis(x.shape), self.sized(x.shape)
        lead = [0] * (at + 1)
        behind = [p + s for p, s in zip(window.pad, self.short(x.shape), strict=True)]
        image = g.pad(x, [*lead, *window.pad], [*lead, *behind])
        places = np.zeros((), np.int64)
        for n, o, k, s, d in zip(
            image.shape[at + 1 :], sized, window.kernel, window.stride, window.dilation, strict=True
        ):
            taps, tops = np.arange(k)[:, None] * d, np.arange(o) * s
            places = places[..., None, None] * n + taps + tops
        order = [*range(0, places.ndim, 2), *range(1, places.ndim, 2)]  # all of the kernel, then all of the top
        flat = g.reshape(image, (*image.shape[: at + 1], -1))
        index = g.constant(places.transpose(order).reshape(-1), "places")
        return g.reshape(g.op("Gather", flat, index, axis=at + 1), g.tops[0])

    def summary(self) -> str:
        return window_words(self.kernel, self.stride, self.pad, self.dilation)
