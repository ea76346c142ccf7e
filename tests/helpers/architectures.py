"""Small nets of well-known architectures, as people write them as prototxts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Prototxt:
    """A net as far as it is written; each method adds a layer and says its top."""

    name: str
    channels: int = 3
    size: int = 32
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = f"shape {{ dim: 1 dim: {self.channels} dim: {self.size} dim: {self.size} }}"
        self.lines = [
            f'name: "{self.name}"',
            f'layer {{ name: "data" type: "Input" top: "data" input_param {{ {shape} }} }}',
        ]

    def layer(self, type_: str, name: str, bottoms: Sequence[str], said: str = "", tops: Sequence[str] = ()) -> str:
        tops = tops or [name]
        words = [*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops), said]
        self.lines.append(f'layer {{ name: "{name}" type: "{type_}" {" ".join(words)} }}')
        return tops[0]

    def conv(self, name: str, x: str, out: int, kernel: int = 3, stride: int = 1, group: int = 1) -> str:
        said = f"num_output: {out} kernel_size: {kernel} stride: {stride} pad: {kernel // 2} group: {group}"
        return self.layer("Convolution", name, [x], f"convolution_param {{ {said} }}")

    def norm(self, name: str, x: str) -> str:
        self.layer("BatchNorm", name, [x], tops=[x])
        return self.layer("Scale", f"{name}_scale", [x], "scale_param { bias_term: true }", [x])

    def relu(self, name: str, x: str) -> str:
        return self.layer("ReLU", name, [x], tops=[x])

    def conv_relu(self, name: str, x: str, out: int, kernel: int = 3) -> str:
        return self.relu(f"{name}_relu", self.conv(name, x, out, kernel))

    def conv_norm(self, name: str, x: str, out: int, kernel: int = 3, stride: int = 1, group: int = 1) -> str:
        return self.norm(f"{name}/bn", self.conv(name, x, out, kernel, stride, group))

    def conv_norm_relu(self, name: str, x: str, out: int, kernel: int = 3, stride: int = 1, group: int = 1) -> str:
        return self.relu(f"{name}/relu", self.conv_norm(name, x, out, kernel, stride, group))

    def add(self, name: str, *bottoms: str) -> str:
        return self.layer("Eltwise", name, bottoms)

    def concat(self, name: str, *bottoms: str) -> str:
        return self.layer("Concat", name, bottoms)

    def halve(self, name: str, x: str) -> str:
        return self.layer("Pooling", name, [x], "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")

    def mean(self, name: str, x: str) -> str:
        return self.layer("Pooling", name, [x], "pooling_param { pool: AVE global_pooling: true }")

    def double(self, name: str, x: str, out: int, group: int = 1) -> str:
        """Twice the size, by a deconvolution."""
        said = f"num_output: {out} kernel_size: 2 stride: 2 group: {group}"
        return self.layer("Deconvolution", name, [x], f"convolution_param {{ {said} }}")

    def __str__(self) -> str:
        return "\n".join(self.lines)


def edsr() -> Prototxt:
    """Lim et al. 2017: blocks between whose start and end the input is added."""
    p = Prototxt("EDSR", size=12)
    x = head = p.conv("head", "data", 16)
    for i in range(6):
        y = p.conv(f"body{i}_conv2", p.conv_relu(f"body{i}_conv1", x, 16), 16)
        x = p.add(f"body{i}_sum", y, x)
    x = p.add("body_sum", p.conv("body_conv", x, 16), head)
    p.conv("tail", p.double("up", x, 16), 3)
    return p


def rcan() -> Prototxt:
    """Zhang et al. 2018: residual groups of residual blocks with gates."""
    p = Prototxt("RCAN", size=12)
    x = head = p.conv("head", "data", 16)
    for g in range(3):
        group = x
        for i in range(3):
            name = f"group{g}_block{i}"
            y = p.conv(f"{name}_conv2", p.conv_relu(f"{name}_conv1", x, 16), 16)
            gate = p.conv_relu(f"{name}_down", p.mean(f"{name}_pool", y), 4, 1)
            gate = p.layer("Sigmoid", f"{name}_gate", [p.conv(f"{name}_up", gate, 16, 1)])
            x = p.layer("Axpy", name, [gate, y, x])
        x = p.add(f"group{g}_sum", p.conv(f"group{g}_conv", x, 16), group)
    p.conv("tail", p.add("sum", p.conv("conv", x, 16), head), 3)
    return p


def vdsr() -> Prototxt:
    """Kim et al. 2016: many equal convolutions."""
    p = Prototxt("VDSR", channels=1, size=12)
    x = "data"
    for i in range(1, 10):
        x = p.conv_relu(f"conv{i}", x, 8)
    p.add("sum", p.conv("conv10", x, 1), "data")
    return p


def unet() -> Prototxt:
    """Ronneberger et al. 2015: two convolutions at every level."""
    p = Prototxt("UNet", channels=1)
    x, levels = "data", []
    for i, wide in enumerate([4, 8, 16]):
        x = p.conv_relu(f"conv_d{i}b", p.conv_relu(f"conv_d{i}a", x, wide), wide)
        levels.append((i, wide, x))
        x = p.halve(f"pool{i}", x)
    x = p.conv_relu("conv_d3b", p.conv_relu("conv_d3a", x, 32), 32)
    for i, wide, level in reversed(levels):
        x = p.concat(f"concat{i}", p.double(f"up{i}", x, wide), level)
        x = p.conv_relu(f"conv_u{i}b", p.conv_relu(f"conv_u{i}a", x, wide), wide)
    p.conv("score", x, 2, 1)
    return p


def fpn() -> Prototxt:
    """Lin et al. 2017, on a small ResNet: the ends of its stages are read twice."""
    p = Prototxt("FPN")
    x, ends, into = p.conv_norm_relu("conv1", "data", 8), [], 8
    for stage, wide in enumerate([4, 8, 16], 2):
        for i, letter in enumerate("abc"):
            name, stride = f"res{stage}{letter}", 2 if stage > 2 and i == 0 else 1
            short = x if into == wide * 4 else p.conv_norm(f"{name}_branch1", x, wide * 4, 1, stride)
            y = p.conv_norm_relu(f"{name}_branch2a", x, wide, 1, stride)
            y = p.conv_norm_relu(f"{name}_branch2b", y, wide)
            y = p.conv_norm(f"{name}_branch2c", y, wide * 4, 1)
            x, into = p.relu(f"{name}_relu", p.add(name, short, y)), wide * 4
        ends.append(x)
    top = p.conv("lateral4", ends[2], 8, 1)
    for stage in (3, 2):
        top = p.add(f"p{stage}", p.double(f"up{stage}", top, 8, 8), p.conv(f"lateral{stage}", ends[stage - 2], 8, 1))
    p.conv("out", top, 8)
    return p


def mobilenet_v2() -> Prototxt:
    """Sandler et al. 2018."""
    p = Prototxt("MobileNetV2")
    x, into, number = p.conv_norm_relu("conv1", "data", 8, 3, 2), 8, 0
    for wide, count, stride in [(8, 1, 1), (12, 3, 2), (16, 4, 2)]:
        for i in range(count):
            number += 1
            step = stride if i == 0 else 1
            y = p.conv_norm_relu(f"block{number}/expand", x, into * 6, 1)
            y = p.conv_norm_relu(f"block{number}/dw", y, into * 6, 3, step, into * 6)
            y = p.conv_norm(f"block{number}/project", y, wide, 1)
            x = p.add(f"block{number}/sum", x, y) if step == 1 and into == wide else y
            into = wide
    p.layer("InnerProduct", "fc", [p.mean("pool", x)], "inner_product_param { num_output: 10 }")
    return p


def hourglass() -> Prototxt:
    """Newell et al. 2016: the same levels in each other, twice."""
    p = Prototxt("Hourglass")

    def residual(name: str, x: str, into: int) -> str:
        y = p.conv_norm_relu(f"{name}_conv2", p.conv_norm_relu(f"{name}_conv1", x, 4, 1), 4)
        short = x if into == 8 else p.conv(f"{name}_skip", x, 8, 1)
        return p.add(f"{name}_add", p.conv(f"{name}_conv3", y, 8, 1), short)

    def level(name: str, x: str, depth: int) -> str:
        low = residual(f"{name}_low1_{depth}", p.halve(f"{name}_pool{depth}", x), 8)
        low = level(name, low, depth - 1) if depth > 1 else residual(f"{name}_low2_{depth}", low, 8)
        low = p.double(f"{name}_deconv{depth}", residual(f"{name}_low3_{depth}", low, 8), 8, 8)
        return p.add(f"{name}_merge{depth}", residual(f"{name}_up{depth}", x, 8), low)

    x = residual("res2", residual("res1", p.conv_norm_relu("conv1", "data", 4), 4), 8)
    for stack in range(2):
        x = residual(f"post{stack}", level(f"hg{stack}", x, 2), 8)
    p.conv("score", x, 4, 1)
    return p


def darknet() -> Prototxt:
    """Redmon and Farhadi 2018: layers that are numbered through."""
    p = Prototxt("Darknet")
    number = 0

    def step(x: str, out: int, kernel: int, stride: int = 1) -> str:
        nonlocal number
        number += 1
        x = p.norm(f"layer{number}-bn", p.conv(f"layer{number}-conv", x, out, kernel, stride))
        return p.layer("ReLU", f"layer{number}-act", [x], "relu_param { negative_slope: 0.1 }", [x])

    x = step("data", 8, 3)
    for wide, count in [(16, 1), (32, 3), (64, 4)]:
        x = step(x, wide, 3, 2)
        for _ in range(count):
            y = step(step(x, wide // 2, 1), wide, 3)
            number += 1
            x = p.add(f"layer{number}-shortcut", x, y)
    return p


def res2net() -> Prototxt:
    """Gao et al. 2019: branches that read each other."""
    p = Prototxt("Res2Net", size=12)
    x = p.conv_norm_relu("conv1", "data", 16)
    for i in range(4):
        name = f"block{i}"
        split = [f"{name}_s{k}" for k in range(3)]
        p.layer("Slice", f"{name}_slice", [p.conv_norm_relu(f"{name}_in", x, 12, 1)], "slice_param { axis: 1 }", split)
        a = p.conv_norm_relu(f"{name}_conv1", split[1], 4)
        b = p.conv_norm_relu(f"{name}_conv2", p.add(f"{name}_more", split[2], a), 4)
        y = p.conv_norm(f"{name}_out", p.concat(f"{name}_concat", split[0], a, b), 16, 1)
        x = p.relu(f"{name}_relu", p.add(f"{name}_sum", x, y))
    return p


def senet() -> Prototxt:
    """Hu et al. 2018, the gate as a Scale of two bottoms, with a projection in one block alone."""
    p = Prototxt("SENet", size=12)
    x, into = p.conv_norm_relu("conv1", "data", 8), 8
    for i, wide in enumerate([8, 8, 16, 16, 16], 1):
        name = f"block{i}"
        y = p.conv_norm(f"{name}_conv2", p.conv_norm_relu(f"{name}_conv1", x, wide), wide)
        said = "inner_product_param {{ num_output: {} }}"
        gate = p.layer("InnerProduct", f"{name}_fc1", [p.mean(f"{name}_pool", y)], said.format(wide // 4))
        gate = p.layer("InnerProduct", f"{name}_fc2", [p.relu(f"{name}_fc1_relu", gate)], said.format(wide))
        y = p.layer(
            "Scale", f"{name}_scale", [y, p.layer("Sigmoid", f"{name}_gate", [gate])], "scale_param { axis: 0 }"
        )
        short = x if into == wide else p.conv_norm(f"{name}_proj", x, wide, 1)
        x, into = p.relu(f"{name}_relu", p.add(f"{name}_add", short, y)), wide
    return p


def aspp() -> Prototxt:
    """Chen et al. 2017: branches that differ in their dilation alone."""
    p = Prototxt("ASPP", size=12)
    x, ends = p.conv_norm_relu("conv1", "data", 8), []
    for d in (2, 4, 6, 8):
        said = f"convolution_param {{ num_output: 12 kernel_size: 3 pad: {d} dilation: {d} }}"
        y = p.relu(f"relu6_{d}", p.layer("Convolution", f"fc6_{d}", [x], said))
        ends.append(p.conv(f"fc8_{d}", p.conv_relu(f"fc7_{d}", y, 12, 1), 5, 1))
    p.add("fc8", *ends)
    return p


def mnasnet() -> Prototxt:
    """Tan et al. 2019: with a gate within, and the input added where it has the shape."""
    p = Prototxt("MnasNet")
    x, into, number = p.conv_norm_relu("stem", "data", 8, 3, 2), 8, 0
    for wide, count, stride in [(12, 3, 2), (16, 3, 2), (24, 3, 2), (28, 2, 1)]:
        for i in range(count):
            number += 1
            name, step = f"mb{number}", stride if i == 0 else 1
            y = p.conv_norm_relu(f"{name}_expand", x, into * 3, 1)
            y = p.conv_norm_relu(f"{name}_dw", y, into * 3, 5, step, into * 3)
            gate = p.conv_relu(f"{name}_se_reduce", p.mean(f"{name}_se_pool", y), into // 4, 1)
            gate = p.layer("Sigmoid", f"{name}_se_sigmoid", [p.conv(f"{name}_se_expand", gate, into * 3, 1)])
            gate = p.layer("Flatten", f"{name}_se_flat", [gate])
            y = p.layer("Scale", f"{name}_se_scale", [y, gate], "scale_param { axis: 0 }")
            y = p.conv_norm(f"{name}_project", y, wide, 1)
            x = p.add(f"{name}_add", x, y) if step == 1 and into == wide else y
            into = wide
    p.layer("InnerProduct", "fc", [p.mean("pool", x)], "inner_product_param { num_output: 10 }")
    return p


ARCHITECTURES: dict[str, Callable[[], Prototxt]] = {
    make.__name__: make
    for make in (edsr, rcan, vdsr, unet, fpn, mobilenet_v2, hourglass, darknet, res2net, senet, aspp, mnasnet)
}
