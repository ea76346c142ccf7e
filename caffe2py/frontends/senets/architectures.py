"""What tells one SENet from another: the seven nets of the release, and those that others trained.

Source: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks" (2017), and the layer names of the authors' release.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    """A 3x3 max pooling of a stem, stride 2.

    `border` says where its windows lie: "none", as many as Caffe has without a pad; "down", a pad of 1 and a size that
    is rounded down, as PyTorch has it; "same", half the size rounded up, what of a pad is odd at the end, as MindSpore.
    """

    name: str
    border: str = "none"


class Part(NamedTuple):
    """A convolution of a block."""

    name: str
    width: int
    kernel: int
    groups: int = 1


Stem = tuple[Conv | Pool, ...]


@dataclass(frozen=True)
class ResNet:
    """A stem, then conv2 to conv5: stages of bottlenecks (1x1 reduce, 3x3, 1x1 increase) with a squeeze-and-excitation
    gate, joined to the shortcut. Widths are those of conv2; every later stage doubles them and halves the map. Without
    a `reduce` a block has two 3x3 in place of the bottleneck, and no convolution as shortcut where its shape stays.
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
    gate_step: int = 1  # widths of gates are rounded to multiples of this
    pooled_shortcut: bool = False  # shortcuts that halve the map average it first
    late_relu: bool = False  # before the gate too
    size: int = 224  # of the pictures
    says_stride_1 = True

    @property
    def parts(self) -> tuple[Part, ...]:
        """The convolutions of a block, by the widths of conv2."""
        if not self.reduce:
            return Part("3x3_1", self.middle, 3), Part("3x3_2", self.increase, 3)
        return (
            Part("1x1_reduce", self.reduce, 1),
            Part("3x3", self.middle, 3, self.groups),
            Part("1x1_increase", self.increase, 1),
        )

    def projects(self, stage: int, block: int) -> bool:
        """Has that block (stages from 2, blocks from 1) a convolution as shortcut?"""
        return block == 1 and (bool(self.reduce) or stage > 2)

    def gate(self, channels: int) -> int:
        """The width of the gate over so many channels."""
        if self.gate_step == 1:
            return max(1, channels // REDUCTION)
        width = max(self.gate_step, (channels // REDUCTION + self.gate_step // 2) // self.gate_step * self.gate_step)
        return width + self.gate_step if width < 0.9 * channels / REDUCTION else width


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


def stem(border: str = "none") -> Stem:
    return Conv("conv1/7x7_s2", 64, 7, 2), Pool("pool1/3x3_s2", border)


def deep_stem(width: int, border: str = "none") -> Stem:
    """Three convolutions in place of one, the last twice as wide."""
    return (
        Conv("conv1_1/3x3_s2", width, 3, 2),
        Conv("conv1_2/3x3", width, 3),
        Conv("conv1_3/3x3", 2 * width, 3),
        Pool("pool1/3x3_s2", border),
    )


STEM, DEEP_STEM = stem(), deep_stem(64)
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

RESNETS = {
    "SE-ResNet-50": ResNet("SE-ResNet-50", STEM, D50, reduce=64, middle=64, strides_at="1x1_reduce"),
    "SE-ResNet-101": ResNet("SE-ResNet-101", STEM, D101, reduce=64, middle=64, strides_at="1x1_reduce"),
    "SE-ResNet-152": ResNet("SE-ResNet-152", STEM, D152, reduce=64, middle=64, strides_at="1x1_reduce"),
    "SE-ResNeXt-50": ResNet("SE-ResNeXt-50 (32 x 4d)", STEM, D50, reduce=128, middle=128, groups=32),
    "SE-ResNeXt-101": ResNet("SE-ResNeXt-101 (32 x 4d)", STEM, D101, reduce=128, middle=128, groups=32),
    "SENet-154": ResNet("SENet", DEEP_STEM, D152, reduce=128, middle=256, groups=64, shortcut=3, dropout=0.2),
}
NETS: dict[str, ResNet | Inception] = {
    "SE-BN-Inception": Inception("SE-BN-Inception", INCEPTION_STEM, MODULES),
    **RESNETS,
}

# The nets of others: those that timm calls legacy are the release's, and three that never were in it; those of its
# class ResNet round the pooling down and halve the map in the 3x3; MindCV has gates of another width.
D18, D34, D26 = (2, 2, 2, 2), (3, 4, 6, 3), (2, 2, 2, 2)
DOWN, SAME = stem("down"), stem("same")


def _basic(title: str, stem: Stem, blocks: tuple[int, int, int, int], gate_step: int = 8, late: bool = False) -> ResNet:
    words: dict[str, Any] = {"gate_step": gate_step, "late_relu": late}
    return ResNet(title, stem, blocks, reduce=0, middle=64, increase=64, strides_at="3x3_1", **words)


def _wide(title: str, stem: Stem, blocks: tuple[int, int, int, int], width: int = 128, step: int = 1) -> ResNet:
    """A ResNeXt: 32 groups, 64 of twice the width."""
    return ResNet(title, stem, blocks, reduce=width, middle=width, groups=width // 4, gate_step=step)


LEGACY = {
    "seresnet18": _basic("SE-ResNet-18", STEM, D18, 1, late=True),
    "seresnet34": _basic("SE-ResNet-34", STEM, D34, 1, late=True),
    "seresnet50": RESNETS["SE-ResNet-50"],
    "seresnet101": RESNETS["SE-ResNet-101"],
    "seresnet152": RESNETS["SE-ResNet-152"],
    "seresnext26_32x4d": _wide("SE-ResNeXt-26 (32 x 4d)", STEM, D26),
    "seresnext50_32x4d": RESNETS["SE-ResNeXt-50"],
    "seresnext101_32x4d": RESNETS["SE-ResNeXt-101"],
    "senet154": RESNETS["SENet-154"],
}
MODERN = {
    "seresnet18": _basic("SE-ResNet-18", DOWN, D18),
    "seresnet34": _basic("SE-ResNet-34", DOWN, D34),
    "seresnet50": ResNet("SE-ResNet-50", DOWN, D50, reduce=64, middle=64),
    "seresnet101": ResNet("SE-ResNet-101", DOWN, D101, reduce=64, middle=64),
    "seresnet152": ResNet("SE-ResNet-152", DOWN, D152, reduce=64, middle=64),
    "seresnet152d": ResNet(
        "SE-ResNet-152-D", deep_stem(32, "down"), D152, reduce=64, middle=64, pooled_shortcut=True, size=256
    ),
    "seresnext50_32x4d": _wide("SE-ResNeXt-50 (32 x 4d)", DOWN, D50),
    "seresnext101_32x4d": _wide("SE-ResNeXt-101 (32 x 4d)", DOWN, D101),
    "seresnext101_64x4d": _wide("SE-ResNeXt-101 (64 x 4d)", DOWN, D101, 256),
    "senet154": ResNet("SENet-154", deep_stem(64, "down"), D152, reduce=128, middle=256, groups=64, shortcut=3),
}
MINDCV = {
    "seresnet18": _basic("SE-ResNet-18", SAME, D18),
    "seresnet34": _basic("SE-ResNet-34", SAME, D34),
    "seresnet50": ResNet("SE-ResNet-50", SAME, D50, reduce=64, middle=64, gate_step=8),
    "seresnext26_32x4d": _wide("SE-ResNeXt-26 (32 x 4d)", SAME, D26, step=8),
    "seresnext50_32x4d": _wide("SE-ResNeXt-50 (32 x 4d)", SAME, D50, step=8),
}
