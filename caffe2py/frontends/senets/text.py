"""A SENet as prototxt, at any width, input size and class count: one function for each building block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from caffe2py.frontends.senets.architectures import (
    NETS,
    REDUCTION,
    Inception,
    Module,
    Naming,
    Pool,
    ResNet,
    Stem,
    relu_below,
    relu_beside,
)

Fields = dict[str, Any]  # of a message, in the order in which they are written; None: left unsaid
RELEASE_HEAD = ("BGR pictures, 0 to 255, less the means 104, 117, 123.",)


@dataclass(frozen=True)
class Ways:
    """How the building blocks are said: as the release says them, or in layers that every Caffe has."""

    axpy: bool = True  # the gated sum in one layer of the release's own
    round_mode: bool = True  # poolings may say that sizes are rounded down
    transform: Fields | None = None  # what the input's transform_param says
    scaled: bool = False  # a Scale for each channel of the input stands before the first convolution


def build(name: str, width: Fraction | float = 1, input_size: int = 224, classes: int = 1000) -> str:
    """The prototxt of net ``name``: every width (and count of groups) times ``width``, rounded down but at least one.

    ``input_size`` is in pixels, height and width alike. ValueError: no such net, or a size that it cannot have.
    """
    if name not in NETS:
        raise ValueError(f'no net "{name}"; want one of {", ".join(NETS)}')
    if width <= 0 or input_size < 1 or classes < 1:
        raise ValueError(f"width {width}, input size {input_size}, {classes} classes: each must be positive")
    return net_text(NETS[name], (1, 3, input_size, input_size), classes, RELEASE_HEAD, Ways(), width)


def net_text(
    arch: ResNet | Inception,
    shape: tuple[int, ...],
    classes: int,
    head: Sequence[str],
    ways: Ways,
    width: Fraction | float = 1,
) -> str:
    """The prototxt of an architecture for pictures of a shape (N, C, H, W), which are square.

    ValueError: a size that it cannot have.
    """
    net = Net(Fraction(width), arch.says_stride_1, ways)
    net.layer("data", "Input", transform_param=ways.transform, input_param={"shape": {"dim": list(shape)}})
    x = Blob("data", shape[1], shape[2])
    if ways.scaled:
        net.layer(SCALED, "Scale", x)
        x = x._replace(name=SCALED)
    x = net.stem(arch.stem, x)
    if isinstance(arch, ResNet):
        for stage, blocks in enumerate(arch.blocks, start=2):
            for block in range(1, blocks + 1):
                x = net.block(arch, stage, block, x)
    else:
        for module in arch.modules:
            x = net.module(module, x)
    x = net.pool("pool5/7x7_s1", x, "AVE", kernel=x.size, stride=1)
    if arch.dropout:
        net.in_place("pool5/dropout_7x7_s1", "Dropout", x, dropout_param={"dropout_ratio": arch.dropout})
    net.layer("classifier", "InnerProduct", x, inner_product_param={"num_output": classes})
    net.layer("prob", "Softmax", Blob("classifier", classes, 1))
    title = arch.title if net.width == 1 else f"{arch.title}, width {net.width}"
    return "".join(f"# {line}\n" for line in head) + f'name: "{title}"\n' + "".join(net.layers)


SCALED = "data/scale"


class Blob(NamedTuple):
    """What a layer leaves: its name, its channels, and the height and width of its map."""

    name: str
    channels: int
    size: int


class Net:
    """A prototxt in the making. Each method appends layers and returns the blob that they end in."""

    def __init__(self, width: Fraction, says_stride_1: bool, ways: Ways) -> None:
        self.width = width
        self.ways = ways
        self.says_stride_1 = says_stride_1
        self.layers: list[str] = []

    def scaled(self, channels: int, groups: int = 1) -> int:
        """``channels`` at this net's width, rounded down to a multiple of ``groups``."""
        return max(1, int(channels * self.width) // groups) * groups

    def layer(self, name: str, kind: str, *bottoms: Blob, top: str = "", **params: Fields | None) -> None:
        """One layer; it makes the blob of its own name if ``top`` does not say another."""
        self.layers.append(_layer(name, kind, bottoms, [top or name], params))

    def part(self, name: str, x: Blob, axis: int, size: int) -> Blob:
        """The first places of an axis; what is left over goes into a Silence."""
        block = {"slice_param": {"axis": axis, "slice_point": size}}
        self.layers.append(_layer(name, "Slice", [x], [name, f"{name}_left"], block))
        self.layers.append(_layer(f"{name}/silence", "Silence", [x._replace(name=f"{name}_left")], [], {}))
        return Blob(name, x.channels, size)

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
                x = self.stem_pool(part, x)
            else:
                x = self.unit(part.name, x, self.scaled(part.width), part.kernel, part.stride, relu=part.relu)
        return x

    def stem_pool(self, part: Pool, x: Blob) -> Blob:
        """The pooling with its border: Caffe's own where that has the same windows. Where it has one more at the end,
        it is told to round down, or the last row and column are cut off."""
        if part.border == "none" or (part.border == "same" and x.size % 2 == 0):
            return self.pool(part.name, x, "MAX", kernel=3, stride=2)
        if x.size % 2:
            return self.pool(part.name, x, "MAX", kernel=3, stride=2, pad=1)
        if self.ways.round_mode:
            block = {"pool": "MAX", "kernel_size": 3, "stride": 2, "pad": 1, "round_mode": "FLOOR"}
            self.layer(part.name, "Pooling", x, pooling_param=block)
            return Blob(part.name, x.channels, x.size // 2)
        y = self.pool(part.name, x, "MAX", kernel=3, stride=2, pad=1)
        y = self.part(f"{part.name}/rows", y, 2, x.size // 2)
        return self.part(f"{part.name}/columns", y, 3, x.size // 2)

    def gate(self, name: str, x: Blob, width: int) -> Blob:
        """Squeeze and excitation: global average, 1x1 down, ReLU, 1x1 up, sigmoid; one factor for each channel of x."""

        def dense(part: str, x: Blob, channels: int) -> Blob:
            y = Blob(f"{name}_{part}", channels, 1)
            block = {"num_output": channels, "kernel_size": 1, "stride": 1}
            self.layer(y.name, "Convolution", x, convolution_param=block)
            return y

        mean = Blob(f"{name}_global_pool", x.channels, 1)
        self.layer(mean.name, "Pooling", x, pooling_param={"pool": "AVE", "engine": "CAFFE", "global_pooling": True})
        down = dense("1x1_down", mean, width)
        self.in_place(relu_below(down.name), "ReLU", down)
        up = dense("1x1_up", down, x.channels)
        self.in_place(f"{name}_prob", "Sigmoid", up)
        return up

    def block(self, arch: ResNet, stage: int, block: int, x: Blob) -> Blob:
        """relu(gate * convolutions(x) + shortcut), a convolution as shortcut where a stage begins."""
        name, times = f"conv{stage}_{block}", 2 ** (stage - 2)
        stride = 2 if block == 1 and stage > 2 else 1
        parts, y = arch.parts, x
        for part in parts:
            steps, last = stride if part.name == arch.strides_at else 1, part is parts[-1]
            groups = self.scaled(part.groups)
            wide = self.scaled(part.width * times, 1 if last else self.scaled(arch.groups))
            relu = None if last and not arch.late_relu else relu_below
            y = self.unit(f"{name}_{part.name}", y, wide, part.kernel, steps, groups, relu=relu)
        gate = self.gate(name, y, arch.gate(y.channels))
        if arch.projects(stage, block):
            x = self.shortcut(arch, f"{name}_1x1_proj", x, y.channels, stride)
        self.gated_sum(name, gate, y, x)
        y = y._replace(name=name)
        self.in_place(relu_below(name), "ReLU", y)
        return y

    def shortcut(self, arch: ResNet, name: str, x: Blob, channels: int, stride: int) -> Blob:
        if arch.pooled_shortcut and stride > 1:
            x, stride = self.pool(f"{name}/pool", x, "AVE", kernel=2, stride=2), 1
        return self.unit(name, x, channels, arch.shortcut if stride > 1 else 1, stride)

    def gated_sum(self, name: str, gate: Blob, y: Blob, x: Blob) -> None:
        """gate * y + x: Axpy, or a Scale of two bottoms and a sum."""
        if self.ways.axpy:
            self.layer(name, "Axpy", gate, y, x)
            return
        self.layer(f"{name}_scale", "Scale", y, self.flat(name, gate), scale_param={"axis": 0, "bias_term": False})
        self.layer(name, "Eltwise", y._replace(name=f"{name}_scale"), x)

    def flat(self, name: str, gate: Blob) -> Blob:
        """The gate as (N, C), which a Scale spreads over the map."""
        self.layer(f"{name}_prob_reshape", "Reshape", gate, reshape_param={"shape": {"dim": [0, 0]}})
        return gate._replace(name=f"{name}_prob_reshape")

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
        gate, output = self.gate(m.name, y, max(1, y.channels // REDUCTION)), f"{m.name}/output"
        spread = {"axis": 0, "bias_term": False}
        self.layer(f"{m.name}_scale", "Scale", y, self.flat(m.name, gate), top=output, scale_param=spread)
        return y._replace(name=output)


def _layer(
    name: str, kind: str, bottoms: Sequence[Blob], tops: Sequence[str], params: Mapping[str, Fields | None]
) -> str:
    lines = [f'name: "{name}"', f'type: "{kind}"', *(f'bottom: "{b.name}"' for b in bottoms)]
    lines += [f'top: "{top}"' for top in tops]
    lines += [field_text(key, value) for key, value in params.items() if value is not None]
    return "layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def field_text(name: str, value: Any) -> str:
    """One field as prototxt text, on one line; a list repeats the field, and None leaves it unsaid."""
    if isinstance(value, list):
        return " ".join(field_text(name, one) for one in value)
    if isinstance(value, dict):
        return f"{name} {{ {' '.join(field_text(key, one) for key, one in value.items() if one is not None)} }}"
    return f"{name}: {str(value).lower() if isinstance(value, bool) else value}"
