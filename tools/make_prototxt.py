#!/usr/bin/env python3
"""Write the seven nets of the SENet release as prototxts, at any width, input size and class count.

Source: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks" (2017), and the layer names of the authors' release.
What tells one net from another stands in the tables; below them, one function for each building block.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

# The architectures ----------------------------------------------------------------------------------------------------

REDUCTION = 16  # the squeeze of every block keeps one channel in sixteen, rounded down

Naming = Callable[[str], str]  # from the name of a convolution to that of its ReLU


def relu_below(conv: str) -> str:
    """Bottlenecks and gates: conv2_1_3x3 -> conv2_1_3x3/relu."""
    return f"{conv}/relu"


def relu_beside(conv: str) -> str:
    """Stems and Inception modules: conv1/7x7_s2 -> conv1/relu_7x7_s2."""
    folder, _, last = conv.rpartition("/")
    return f"{folder}/relu_{last}"


def relu_beside_without_stride(conv: str) -> str:
    """The first ReLU of SE-BN-Inception: conv1/7x7_s2 -> conv1/relu_7x7."""
    return relu_beside(conv).removesuffix("_s2")


class Conv(NamedTuple):
    """A convolution of a stem, with its BatchNorm, Scale and ReLU."""

    name: str
    width: int
    kernel: int
    stride: int = 1
    relu: Naming = relu_beside


class Pool(NamedTuple):
    """A 3x3 max pooling of a stem, stride 2."""

    name: str


Stem = tuple[Conv | Pool, ...]


@dataclass(frozen=True)
class ResNet:
    """A stem, then conv2 to conv5: stages of bottlenecks (1x1 reduce, 3x3, 1x1 increase) with a squeeze-and-excitation
    gate, joined to the shortcut by Axpy. Widths are those of conv2; every later stage doubles them and halves the map.
    """

    title: str
    stem: Stem
    blocks: tuple[int, int, int, int]
    reduce: int
    middle: int
    increase: int = 256
    groups: int = 1  # of the 3x3
    strides_at: str = "3x3"  # the convolution that halves the map
    shortcut: int = 1  # kernel of the shortcuts that halve the map; their layers are called 1x1_proj all the same
    dropout: float = 0.0  # before the classifier
    says_stride_1 = True


class Module(NamedTuple):
    """An Inception module: branches side by side, concatenated, and gated as a whole. A module without a 1x1 branch
    halves the map: its last convolutions stride, and so does its pooling, which is passed on without a projection.
    """

    name: str
    single: int  # branch 1: 1x1
    triple: tuple[int, int]  # branch 2: 1x1 reduce, 3x3
    double: tuple[int, int]  # branch 3: 1x1 reduce, 3x3 twice, both as wide
    pool: str  # branch 4: 3x3 pooling,
    project: int  # then 1x1


@dataclass(frozen=True)
class Inception:
    """A stem and Inception modules. Their convolutions leave a stride of 1 unsaid; those of the gates say it."""

    title: str
    stem: Stem
    modules: tuple[Module, ...]
    dropout = 0.0
    says_stride_1 = False


STEM: Stem = (Conv("conv1/7x7_s2", 64, 7, 2), Pool("pool1/3x3_s2"))
DEEP_STEM: Stem = (
    Conv("conv1_1/3x3_s2", 64, 3, 2),
    Conv("conv1_2/3x3", 64, 3),
    Conv("conv1_3/3x3", 128, 3),
    Pool("pool1/3x3_s2"),
)
INCEPTION_STEM: Stem = (
    Conv("conv1/7x7_s2", 64, 7, 2, relu=relu_beside_without_stride),
    Pool("pool1/3x3_s2"),
    Conv("conv2/3x3_reduce", 64, 1),
    Conv("conv2/3x3", 192, 3),
    Pool("pool2/3x3_s2"),
)
MODULES = (
    Module("inception_3a", 64, (64, 64), (64, 96), "AVE", 32),
    Module("inception_3b", 64, (64, 96), (64, 96), "AVE", 64),
    Module("inception_3c", 0, (128, 160), (64, 96), "MAX", 0),
    Module("inception_4a", 224, (64, 96), (96, 128), "AVE", 128),
    Module("inception_4b", 192, (96, 128), (96, 128), "AVE", 128),
    Module("inception_4c", 160, (128, 160), (128, 160), "AVE", 128),
    Module("inception_4d", 96, (128, 192), (160, 192), "AVE", 128),
    Module("inception_4e", 0, (128, 192), (192, 256), "MAX", 0),
    Module("inception_5a", 352, (192, 320), (160, 224), "AVE", 128),
    Module("inception_5b", 352, (192, 320), (192, 224), "MAX", 128),
)
D50, D101, D152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)  # blocks in conv2, conv3, conv4, conv5

NETS: dict[str, ResNet | Inception] = {
    "SE-BN-Inception": Inception("SE-BN-Inception", INCEPTION_STEM, MODULES),
    "SE-ResNet-50": ResNet("SE-ResNet-50", STEM, D50, reduce=64, middle=64, strides_at="1x1_reduce"),
    "SE-ResNet-101": ResNet("SE-ResNet-101", STEM, D101, reduce=64, middle=64, strides_at="1x1_reduce"),
    "SE-ResNet-152": ResNet("SE-ResNet-152", STEM, D152, reduce=64, middle=64, strides_at="1x1_reduce"),
    "SE-ResNeXt-50": ResNet("SE-ResNeXt-50 (32 x 4d)", STEM, D50, reduce=128, middle=128, groups=32),
    "SE-ResNeXt-101": ResNet("SE-ResNeXt-101 (32 x 4d)", STEM, D101, reduce=128, middle=128, groups=32),
    "SENet-154": ResNet("SENet", DEEP_STEM, D152, reduce=128, middle=256, groups=64, shortcut=3, dropout=0.2),
}


def build(name: str, width: Fraction | float = 1, input_size: int = 224, classes: int = 1000) -> str:
    """The prototxt of net ``name``: every width (and count of groups) times ``width``, rounded down but at least one.

    ``input_size`` is in pixels, height and width alike. ValueError: no such net, or a size that it cannot have.
    """
    if name not in NETS:
        raise ValueError(f'no net "{name}"; want one of {", ".join(NETS)}')
    if width <= 0 or input_size < 1 or classes < 1:
        raise ValueError(f"width {width}, input size {input_size}, {classes} classes: each must be positive")
    arch = NETS[name]
    net = Net(Fraction(width), arch.says_stride_1)
    net.layer("data", "Input", input_param={"shape": {"dim": [1, 3, input_size, input_size]}})
    x = net.stem(arch.stem, Blob("data", 3, input_size))
    if isinstance(arch, ResNet):
        for stage, blocks in enumerate(arch.blocks, start=2):
            for block in range(1, blocks + 1):
                x = net.bottleneck(arch, stage, block, x)
    else:
        for module in arch.modules:
            x = net.module(module, x)
    x = net.pool("pool5/7x7_s1", x, "AVE", kernel=x.size, stride=1)
    if arch.dropout:
        net.in_place("pool5/dropout_7x7_s1", "Dropout", x, dropout_param={"dropout_ratio": arch.dropout})
    net.layer("classifier", "InnerProduct", x, inner_product_param={"num_output": classes})
    net.layer("prob", "Softmax", Blob("classifier", classes, 1))
    title = arch.title if net.width == 1 else f"{arch.title}, width {net.width}"
    return f'# BGR pictures, 0 to 255, less the means 104, 117, 123.\nname: "{title}"\n' + "".join(net.layers)


# The building blocks --------------------------------------------------------------------------------------------------


Fields = dict[str, Any]  # of a message, in the order in which they are written; None: left unsaid


class Blob(NamedTuple):
    """What a layer leaves: its name, its channels, and the height and width of its map."""

    name: str
    channels: int
    size: int


class Net:
    """A prototxt in the making. Each method appends layers and returns the blob that they end in."""

    def __init__(self, width: Fraction, says_stride_1: bool) -> None:
        self.width = width
        self.says_stride_1 = says_stride_1
        self.layers: list[str] = []

    def scaled(self, channels: int, groups: int = 1) -> int:
        """``channels`` at this net's width, rounded down to a multiple of ``groups``."""
        return max(1, int(channels * self.width) // groups) * groups

    def layer(self, name: str, kind: str, *bottoms: Blob, top: str = "", **params: Fields) -> None:
        """One layer; it makes the blob of its own name if ``top`` does not say another."""
        bottom = [f'bottom: "{b.name}"' for b in bottoms]
        lines = [f'name: "{name}"', f'type: "{kind}"', *bottom, f'top: "{top or name}"']
        lines += [field(key, value) for key, value in params.items()]
        self.layers.append("layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")

    def in_place(self, name: str, kind: str, x: Blob, **params: Fields) -> None:
        self.layer(name, kind, x, top=x.name, **params)

    def unit(
        self, name: str, x: Blob, channels: int, kernel: int, stride: int, groups: int = 1, relu: Naming | None = None
    ) -> Blob:
        """Convolution without bias, BatchNorm, Scale, and a ReLU where ``relu`` names one. Stride 2 halves the map."""
        group = groups if groups > 1 else None
        said = stride if stride > 1 or self.says_stride_1 else None
        block = {"num_output": channels, "bias_term": False, "pad": kernel // 2 or None, "kernel_size": kernel}
        block |= {"group": group, "stride": said}
        self.layer(name, "Convolution", x, convolution_param=block)
        x = Blob(name, channels, (x.size - 1) // stride + 1)
        self.in_place(f"{name}/bn", "BatchNorm", x, batch_norm_param={"use_global_stats": True})
        self.in_place(f"{name}/bn/scale", "Scale", x, scale_param={"bias_term": True})
        if relu:
            self.in_place(relu(name), "ReLU", x)
        return x

    def pool(self, name: str, x: Blob, kind: str, kernel: int, stride: int, pad: int = 0) -> Blob:
        """Caffe rounds a pooled size up, and drops a last window that would start outside the padded map."""
        size = -(-(x.size + 2 * pad - kernel) // stride) + 1
        if pad and (size - 1) * stride >= x.size + pad:
            size -= 1
        if size < 1:
            raise ValueError(f"the input is too small: it leaves {name} a map of {x.size} x {x.size}")
        block = {"pool": kind, "kernel_size": kernel, "stride": stride, "pad": pad or None}
        self.layer(name, "Pooling", x, pooling_param=block)
        return Blob(name, x.channels, size)

    def stem(self, parts: Stem, x: Blob) -> Blob:
        for part in parts:
            if isinstance(part, Pool):
                x = self.pool(part.name, x, "MAX", kernel=3, stride=2)
            else:
                x = self.unit(part.name, x, self.scaled(part.width), part.kernel, part.stride, relu=part.relu)
        return x

    def gate(self, name: str, x: Blob) -> Blob:
        """Squeeze and excitation: global average, 1x1 down, ReLU, 1x1 up, sigmoid; one factor for each channel of x."""

        def dense(part: str, x: Blob, channels: int) -> Blob:
            y = Blob(f"{name}_{part}", channels, 1)
            block = {"num_output": channels, "kernel_size": 1, "stride": 1}
            self.layer(y.name, "Convolution", x, convolution_param=block)
            return y

        mean = Blob(f"{name}_global_pool", x.channels, 1)
        self.layer(mean.name, "Pooling", x, pooling_param={"pool": "AVE", "engine": "CAFFE", "global_pooling": True})
        down = dense("1x1_down", mean, max(1, x.channels // REDUCTION))
        self.in_place(relu_below(down.name), "ReLU", down)
        up = dense("1x1_up", down, x.channels)
        self.in_place(f"{name}_prob", "Sigmoid", up)
        return up

    def bottleneck(self, arch: ResNet, stage: int, block: int, x: Blob) -> Blob:
        """relu(gate * increase(3x3(reduce(x))) + shortcut), a convolution as shortcut where a stage begins."""
        name, times, first = f"conv{stage}_{block}", 2 ** (stage - 2), block == 1
        stride = 2 if first and stage > 2 else 1
        strides = {"1x1_reduce": 1, "3x3": 1, arch.strides_at: stride}
        groups = self.scaled(arch.groups)
        narrow, middle = (self.scaled(width * times, groups) for width in (arch.reduce, arch.middle))
        wide = self.scaled(arch.increase * times)

        y = self.unit(f"{name}_1x1_reduce", x, narrow, 1, strides["1x1_reduce"], relu=relu_below)
        y = self.unit(f"{name}_3x3", y, middle, 3, strides["3x3"], groups, relu=relu_below)
        y = self.unit(f"{name}_1x1_increase", y, wide, 1, 1)
        gate = self.gate(name, y)
        if first:
            x = self.unit(f"{name}_1x1_proj", x, wide, arch.shortcut if stride > 1 else 1, stride)
        self.layer(name, "Axpy", gate, y, x)
        y = y._replace(name=name)
        self.in_place(relu_below(name), "ReLU", y)
        return y

    def module(self, m: Module, x: Blob) -> Blob:
        """gate * concat(1x1, 3x3, double 3x3, pooling), the gate spread over the map by a two-bottom Scale."""
        stride = 1 if m.single else 2

        def branch(part: str, x: Blob, width: int, kernel: int = 1, stride: int = 1) -> Blob:
            return self.unit(f"{m.name}/{part}", x, self.scaled(width), kernel, stride, relu=relu_beside)

        branches = [branch("1x1", x, m.single)] if m.single else []
        y = branch("3x3_reduce", x, m.triple[0])
        branches.append(branch("3x3", y, m.triple[1], 3, stride))
        y = branch("double3x3_reduce", x, m.double[0])
        y = branch("double3x3a", y, m.double[1], 3)
        branches.append(branch("double3x3b", y, m.double[1], 3, stride))
        if m.project:
            y = self.pool(f"{m.name}/pool", x, m.pool, kernel=3, stride=1, pad=1)
            branches.append(branch("pool_proj", y, m.project))
        else:
            branches.append(self.pool(f"{m.name}/pool/3x3_s2", x, m.pool, kernel=3, stride=2))

        sizes = {y.size for y in branches}
        if len(sizes) > 1:
            raise ValueError(
                f"{m.name} cannot halve a map of {x.size} x {x.size}; want an input size that is a multiple of 32"
            )
        y = Blob(f"{m.name}/concat", sum(y.channels for y in branches), sizes.pop())
        self.layer(y.name, "Concat", *branches)
        gate = self.gate(m.name, y)
        self.layer(f"{m.name}_prob_reshape", "Reshape", gate, reshape_param={"shape": {"dim": [0, 0]}})
        flat, output = gate._replace(name=f"{m.name}_prob_reshape"), f"{m.name}/output"
        self.layer(f"{m.name}_scale", "Scale", y, flat, top=output, scale_param={"axis": 0, "bias_term": False})
        return y._replace(name=output)


def field(name: str, value: Any) -> str:
    """One field as prototxt text, on one line; a list repeats the field, and None leaves it unsaid."""
    if isinstance(value, list):
        return " ".join(field(name, one) for one in value)
    if isinstance(value, dict):
        return f"{name} {{ {' '.join(field(key, one) for key, one in value.items() if one is not None)} }}"
    return f"{name}: {str(value).lower() if isinstance(value, bool) else value}"


# The command ----------------------------------------------------------------------------------------------------------

HOME = Path(__file__).resolve().parent.parent / "models" / "prototxt"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", metavar="NET", nargs="*", help="which to write (default: all): " + ", ".join(NETS))
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, help="default: models/prototxt of this project")
    parser.add_argument(
        "--width", metavar="W", type=number, default=1, help="times every width and group count, as 1/8 or 0.5"
    )
    parser.add_argument("--input-size", metavar="N", type=int, default=224, help="height and width (default: 224)")
    parser.add_argument("--classes", metavar="N", type=int, default=1000, help="width of the output (default: 1000)")
    args = parser.parse_args(argv)
    try:
        texts = {name: build(name, args.width, args.input_size, args.classes) for name in args.nets or NETS}
    except ValueError as error:
        parser.error(str(error))
    if args.output is None and any(text != build(name) for name, text in texts.items()):
        parser.error("nets of another size do not belong among the released ones: say where they go with -o FOLDER")
    folder = args.output or HOME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write(folder / f"{name}.prototxt", text)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def number(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f'"{text}" is no number; want one as 1/8 or 0.5') from None


def write(path: Path, text: str) -> None:
    """The whole file or none: written beside it, then renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    print(path)


if __name__ == "__main__":
    sys.exit(main())
