"""What Convolution and Deconvolution share: their weights, and how they are said in torch and in ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from caffe2py.layers.base import (
    CLEARED,
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    axis,
    bias_alone,
    bias_alone_nodes,
    count,
    onnx_rectified,
    param,
    plain,
    rectified,
    same,
)
from caffe2py.layers.vision.spatial import window_words
from caffe2py.layers.vision.windowed import Window, Windowed


@dataclass(frozen=True)
class Convolving(Windowed):
    """What Convolution and Deconvolution share; they differ in their `kind`, their kernel's shape and their sizes.

    Without spatial axes both are a product with a matrix, said as a window of 1 over one axis more. Where a dilation is
    0 all taps of that axis see one place, said as one tap with their sum.
    """

    reads_back = "x"
    kind: ClassVar[str] = ""  # Conv or ConvTranspose
    function: ClassVar[str] = ""  # conv or conv_transpose
    relu: bool = param("convolution_param.relu", False)  # Intel's: a ReLU is part of the layer
    negative_slope: float = param("convolution_param.negative_slope", 0.0)  # of that ReLU
    fusion: str = param("convolution_param.fusion_type", "UNFUSED")

    def kernel_shape(self, x: Shape) -> Shape:
        raise NotImplementedError

    def check_groups(self, x: Shape) -> None:
        channels = self.channels(x)
        if self.num_output < 1:
            raise Misfit("num_output is 0; want at least 1")
        if self.group < 1 or channels % self.group or self.num_output % self.group:
            raise Misfit(f"group {self.group} does not divide {channels} channels into {self.num_output} outputs")

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        same(bottoms, f"all bottoms of a {self.type} have one shape")
        x = bottoms[0]
        self.check_groups(x)
        if self.fusion != "UNFUSED":
            raise Misfit(
                f"is fused with another layer (fusion_type {self.fusion}), which is not done here; want UNFUSED"
            )
        return [(*x[: self.channel_axis(x)], self.num_output, *self.sized(x))] * len(bottoms)

    def weights(self, *bottoms: Shape) -> Mapping[str, Shape]:
        blobs: dict[str, Shape] = {"weight": self.kernel_shape(bottoms[0])}
        return blobs | {"bias": (self.num_output,)} if self.bias_term else blobs

    def summed(self, window: Window) -> tuple[int, ...]:
        """The spatial axes whose taps all see one place."""
        return tuple(i for i, (k, d) in enumerate(zip(window.kernel, window.dilation, strict=True)) if k > 1 and d == 0)

    def said(self, x: Shape) -> Window:
        """The window as torch and ONNX take it: one spatial axis at least, and no dilation of 0."""
        window = self.window(x)
        if not window.kernel:
            return Window((1,), (1,), (0,), (1,))
        kernel = tuple(1 if d == 0 else k for k, d in zip(window.kernel, window.dilation, strict=True))
        return window._replace(kernel=kernel, dilation=tuple(d or 1 for d in window.dilation))

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str] | None:
        """A window of 1 is a product with a matrix where the images lie; any other gathers them elsewhere first."""
        alone = all(k == 1 for k in self.kernel) and all(s == 1 for s in self.stride) and not any(self.pad)
        return (self.changed(cleared=(*self.cleared, *bottoms)), CLEARED) if alone else None

    def torch(self, em: Emitter, *bottoms: Term) -> Sequence[str]:
        call = self.call(em, bottoms[0]) if len(self.cleared) < len(bottoms) else str
        bias = 1 if self.bias_term else None
        tops = (
            bias_alone(em, x, bias, len(x.shape) - 1 - axis(self.axis, x.shape))
            if i in self.cleared
            else self.applied(em, call, x)
            for i, x in enumerate(bottoms)
        )
        return [rectified(top, self.relu, self.negative_slope) for top in tops]

    def call(self, em: Emitter, x: Term) -> Callable[[str], str]:
        """The text of the sliding product, given that of images: one axis, channels, spatial axes."""
        window, said = self.window(x.shape), self.said(x.shape)
        axes, summed = len(said.kernel), self.summed(window)
        words = {"stride": (said.stride, 1), "padding": (said.pad, 0), "dilation": (said.dilation, 1)}
        settings = [f"{w}={plain(v)}" for w, (v, default) in words.items() if any(n != default for n in v)]
        settings += [f"groups={self.group}"] if self.group != 1 else []
        if 0 < len(window.kernel) < 4 and not summed:
            settings += [] if self.bias_term else ["bias=False"]
            sizes = [str(self.channels(x.shape)), str(self.num_output), str(plain(said.kernel))]
            state = {"weight": 0, "bias": 1} if self.bias_term else {"weight": 0}
            module = em.module(f"nn.{self.kind}{axes}d({', '.join([*sizes, *settings])})", **state)
            return lambda images: f"{module}({images})"
        weight, bias = em.parameter(0), em.parameter(1) if self.bias_term else "None"
        weight += "" if window.kernel else "[..., None]"
        weight += f".sum({tuple(i + 2 for i in summed)}, keepdim=True)" if summed else ""
        if axes < 4:
            rest = ", ".join([weight, bias, *settings])
            return lambda images: f"F.{self.function}{axes}d({images}, {rest})"
        moves: dict[str, Any] = {**said._asdict(), "groups": self.group}
        del moves["kernel"]  # the weight has it
        return lambda images: em.call(f"{self.function}_nd", images, weight, bias, **moves)

    def applied(self, em: Emitter, call: Callable[[str], str], x: Term) -> str:
        """The sliding product of x; axes before the channels count as batch."""
        lead, flat = self.channel_axis(x.shape), not self.window(x.shape).kernel
        images = f"{x}[None]" if lead == 0 else str(x) if lead == 1 else f"{x}.flatten(0, {lead - 1})"
        images += "[..., None]" if flat else ""
        if self.kind == "Conv" and any(self.short(x.shape)):
            window = self.window(x.shape)
            images = em.call("covered", images, extent=window.extent, pad=window.pad)
        top = call(images) + ("[..., 0]" if flat else "")
        return f"{top}[0]" if lead == 0 else top if lead == 1 else f"{top}.unflatten(0, {x}.shape[:{lead}])"

    def onnx(self, g: Builder, *bottoms: Handle) -> Sequence[Handle]:
        x = bottoms[0].shape
        window, said = self.window(x), self.said(x)
        if summed := self.summed(window):
            weights = [g.constant(g.blob(0).sum(tuple(i + 2 for i in summed), keepdims=True), "weight")]
        else:
            weights = [g.weight(0, (*self.kernel_shape(x)[:2], *said.kernel))]
        weights += [g.weight(1)] if self.bias_term else []
        words = {"kernel_shape": said.kernel, "strides": said.stride, "pads": said.pad * 2, "dilations": said.dilation}
        short = self.short(x) if self.kind == "Conv" and window.kernel else [0] * len(said.kernel)
        tops = []
        for i, (bottom, top) in enumerate(zip(bottoms, g.tops, strict=True)):
            lead = self.channel_axis(bottom.shape)
            if i in self.cleared:
                tops.append(bias_alone_nodes(g, top, 1 if self.bias_term else None, len(top) - 1 - lead))
                continue
            dims = (count(bottom.shape, 0, lead), *bottom.shape[lead:])
            images = g.reshape(bottom, dims if window.kernel else (*dims, 1))
            images = g.pad(images, [0] * (len(short) + 2), [0, 0, *short])
            sized = (images.shape[0], *top[lead:], *([] if window.kernel else [1]))
            made = g.reshape(g.op(self.kind, images, *weights, shape=sized, group=self.group, **words), top)
            tops.append(onnx_rectified(g, made, self.relu, self.negative_slope))
        return tops

    def summary(self) -> str:
        words = f"{self.num_output} {window_words(self.kernel, self.stride, self.pad, self.dilation)}"
        words += f" group {self.group}" if self.group != 1 else ""
        return f"{words} relu" if self.relu else words
