"""What the layers that slide a kernel over spatial axes share: Convolution, Deconvolution, Im2col."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    axis,
    count,
    param,
    plain,
    read_fields,
    same,
    text,
)
from caffe2py.layers.vision.spatial import at_least, read_spatial, spread, window_words


@dataclass(frozen=True)
class Windowed(Layer):
    """What Convolution and its relatives share: their parameters and how they slide over the spatial axes."""

    fillers = {"weight": Filler("convolution_param.weight_filler"), "bias": Filler("convolution_param.bias_filler")}
    num_output: int = param("convolution_param.num_output", 0)
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pad: tuple[int, ...] = ()
    dilation: tuple[int, ...] = param("convolution_param.dilation")
    group: int = param("convolution_param.group")
    bias_term: bool = param("convolution_param.bias_term")
    axis: int = param("convolution_param.axis")

    @classmethod
    def read(cls, params: Params) -> Layer:
        message = "convolution_param"
        return cls(
            **read_fields(cls, params),
            kernel=read_spatial(params, message, "kernel_size", "kernel"),
            stride=read_spatial(params, message, "stride", "stride"),
            pad=read_spatial(params, message, "pad", "pad"),
        )

    def window(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Kernel, stride, pad and dilation for each spatial axis of x."""
        axes = len(x) - self.channel_axis(x) - 1
        kernel = spread(self.kernel, axes, None, "kernel_size")
        stride = spread(self.stride, axes, 1, "stride")
        pad = spread(self.pad, axes, 0, "pad")
        dilation = spread(self.dilation, axes, 1, "dilation")
        at_least(kernel, 1, "kernel_size")
        at_least(stride, 1, "stride")
        at_least(dilation, 1, "dilation")
        return kernel, stride, pad, dilation

    def channel_axis(self, x: Shape) -> int:
        return axis(self.axis, x)

    def sized(self, x: Shape) -> list[int]:
        """The spatial size of the top: floor((in + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1."""
        sizes = []
        for n, k, s, p, d in zip(x[self.channel_axis(x) + 1 :], *self.window(x), strict=True):
            room = n + 2 * p - (d * (k - 1) + 1)
            if room < 0:
                raise Misfit(
                    f"has a bottom of shape {text(x)}, too small for the window by {-room}; want a smaller kernel"
                )
            sizes.append(room // s + 1)
        return sizes

    def channels(self, x: Shape) -> int:
        return x[self.channel_axis(x)]

    def check_groups(self, x: Shape) -> None:
        channels = self.channels(x)
        if self.num_output < 1:
            raise Misfit("num_output is 0; want at least 1")
        if self.group < 1 or channels % self.group or self.num_output % self.group:
            raise Misfit(f"group {self.group} does not divide {channels} channels into {self.num_output} outputs")

    def module(self, em: Emitter, kind: str, x: Term) -> str:
        """Declare torch's module for this layer; `kind` is Conv or ConvTranspose."""
        kernel, stride, pad, dilation = self.window(x.shape)
        if len(kernel) not in (1, 2, 3):
            raise Misfit(f"has {len(kernel)} spatial axes; torch has 1 to 3")
        words = [str(self.channels(x.shape)), str(self.num_output), str(plain(kernel))]
        for name, values, default in (("stride", stride, 1), ("padding", pad, 0), ("dilation", dilation, 1)):
            if any(v != default for v in values):
                words.append(f"{name}={plain(values)}")
        if self.group != 1:
            words.append(f"groups={self.group}")
        if not self.bias_term:
            words.append("bias=False")
        state = {"weight": 0, "bias": 1} if self.bias_term else {"weight": 0}
        return em.module(f"nn.{kind}{len(kernel)}d({', '.join(words)})", **state)

    def apply(self, module: str, x: Term) -> str:
        """Call the module on x; axes before the channels count as batch."""
        lead = self.channel_axis(x.shape)
        if lead == 1:
            return f"{module}({x})"
        if lead == 0:
            return f"{module}({x}[None])[0]"
        return f"{module}({x}.flatten(0, {lead - 1})).unflatten(0, {x}.shape[:{lead}])"

    def blobs(self, g: Builder) -> list[Handle]:
        """Weight and bias in ONNX."""
        return [g.weight(i) for i in range(2 if self.bias_term else 1)]

    def nodes(
        self, g: Builder, kind: str, bottoms: Sequence[Handle], weights: Sequence[Handle], group: int
    ) -> list[Handle]:
        """An operator of that kind, Conv or ConvTranspose, for each bottom."""
        kernel, stride, pad, dilation = self.window(bottoms[0].shape)
        if len(kernel) not in (1, 2, 3):
            raise Misfit(f"has {len(kernel)} spatial axes; runtimes have 1 to 3")
        words = {"kernel_shape": kernel, "strides": stride, "pads": pad * 2, "dilations": dilation, "group": group}
        tops = []
        for x, top in zip(bottoms, g.tops, strict=True):
            images = g.reshape(x, self.as_images(x.shape))
            sized = (images.shape[0], *top[self.channel_axis(x.shape) :])
            tops.append(g.reshape(g.op(kind, images, *weights, shape=sized, **words), top))
        return tops

    def as_images(self, x: Shape) -> Shape:
        """x with one axis before its channels, whatever the number of them was."""
        lead = self.channel_axis(x)
        return (count(x, 0, lead), *x[lead:])

    def summary(self) -> str:
        words = f"{self.num_output} {window_words(self.kernel, self.stride, self.pad, self.dilation)}"
        return f"{words} group {self.group}" if self.group != 1 else words


@dataclass(frozen=True)
class Convolving(Windowed):
    """What Convolution and Deconvolution share; they differ in their `kind`, their kernel's shape and their sizes."""

    kind: ClassVar[str] = ""

    def kernel_shape(self, x: Shape) -> Shape:
        raise NotImplementedError

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        same(bottoms, f"all bottoms of a {self.type} have one shape")
        x = bottoms[0]
        self.check_groups(x)
        return [(*x[: self.channel_axis(x)], self.num_output, *self.sized(x))] * len(bottoms)

    def weights(self, *bottoms: Shape) -> Mapping[str, Shape]:
        blobs: dict[str, Shape] = {"weight": self.kernel_shape(bottoms[0])}
        return blobs | {"bias": (self.num_output,)} if self.bias_term else blobs

    def torch(self, em: Emitter, *bottoms: Term) -> Sequence[str]:
        module = self.module(em, self.kind, bottoms[0])
        return [self.apply(module, x) for x in bottoms]

    def onnx(self, g: Builder, *bottoms: Handle) -> Sequence[Handle]:
        return self.nodes(g, self.kind, bottoms, self.blobs(g), self.group)
