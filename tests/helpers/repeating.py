"""Random nets of parts that repeat, or nearly do: blocks of known shapes, each a little changed here and there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 8 dim: 8 } } }'


@dataclass
class Text:
    """A prototxt as far as it is written."""

    random: Random
    lines: list[str] = field(default_factory=lambda: [INPUT])
    channels: dict[str, int] = field(default_factory=lambda: {"data": 4})
    block: str = ""

    def layer(self, name: str, type_: str, bottoms: list[str], channels: int, settings: str = "") -> str:
        """A layer of a block; the name of its top."""
        top = f"{self.block}/{name}"
        if len(bottoms) == 1 and type_ in ("ReLU", "BatchNorm", "Scale", "Sigmoid") and self.odd(0.8):
            top = bottoms[0]
        read = " ".join(f'bottom: "{b}"' for b in bottoms)
        said = f'layer {{ name: "{self.block}/{name}" type: "{type_}" {read} top: "{top}" {settings} }}'
        self.lines.append(said)
        self.channels[top] = channels
        return top

    def conv(self, name: str, x: str, out: int, kernel: int = 1, group: int = 1, norm: bool = True) -> str:
        """A convolution that keeps the size, with what mostly follows it."""
        said = f"num_output: {out} kernel_size: {kernel} pad: {kernel // 2} group: {group}"
        said += "" if not norm else " bias_term: false"
        x = self.layer(name, "Convolution", [x], out, f"convolution_param {{ {said} }}")
        if norm:
            x = self.layer(f"{name}/bn", "BatchNorm", [x], out, "batch_norm_param { use_global_stats: true }")
            x = self.layer(f"{name}/scale", "Scale", [x], out, "scale_param { bias_term: true }")
        return x

    def relu(self, name: str, x: str) -> str:
        slope = "relu_param { negative_slope: 0.1 }" if self.odd(0.05) else ""
        return self.layer(name, "ReLU", [x], self.channels[x], slope)

    def split(self, x: str) -> str:
        """A blob that several read is a blob of its own: nothing in place may change it in between."""
        return self.layer("copy", "Power", [x], self.channels[x])

    def odd(self, chance: float) -> bool:
        return self.random.random() < chance


def residual(text: Text, x: str) -> str:
    """Two or three convolutions, a gate now and then, and a shortcut with or without a projection."""
    wide = text.channels[x] * (2 if text.odd(0.3) else 1)
    x = text.split(x)
    y = text.relu("relu1", text.conv("reduce", x, wide // 2))
    y = text.conv("conv", y, wide, 5 if text.odd(0.1) else 3)
    if text.odd(0.5):
        y = gate(text, y)
    project = wide != text.channels[x] or text.odd(0.1)
    short = text.conv("proj", x, wide, 3 if text.odd(0.1) else 1) if project else x
    order = [short, y] if text.odd(0.1) else [y, short]
    coeff = "eltwise_param { coeff: 1 coeff: 0.5 }" if text.odd(0.05) else ""
    y = text.layer("sum", "Eltwise", order, wide, coeff)
    return y if text.odd(0.1) else text.relu("relu", y)


def gate(text: Text, x: str) -> str:
    wide = text.channels[x]
    g = text.layer("pool", "Pooling", [x], wide, "pooling_param { pool: AVE global_pooling: true }")
    g = text.relu("down/relu", text.conv("down", g, max(wide // 4, 1), norm=False))
    g = text.layer("sigmoid", "Sigmoid", [text.conv("up", g, wide, norm=False)], wide)
    flat = text.layer("flat", "Flatten", [g], wide)
    return text.layer("scaled", "Scale", [x, flat], wide, "scale_param { axis: 0 }")


def inception(text: Text, x: str) -> str:
    x = text.split(x)
    wide = [text.random.choice([2, 3, 4]) for _ in range(3)]
    a = text.relu("1x1/relu", text.conv("1x1", x, wide[0], norm=False))
    b = text.relu("3x3_reduce/relu", text.conv("3x3_reduce", x, wide[1], norm=False))
    b = text.relu("3x3/relu", text.conv("3x3", b, wide[1] * 2, 3, norm=False))
    pool = "MAX" if text.odd(0.2) else "AVE"
    window = f"pooling_param {{ pool: {pool} kernel_size: 3 stride: 1 pad: 1 }}"
    c = text.layer("pool", "Pooling", [x], text.channels[x], window)
    c = text.relu("proj/relu", text.conv("proj", c, wide[2], norm=False))
    return text.layer("concat", "Concat", [a, b, c], wide[0] + wide[1] * 2 + wide[2])


def dense(text: Text, x: str) -> str:
    x = text.split(x)
    y = text.relu("relu", text.conv("squeeze", x, 4))
    y = text.conv("grow", y, 2, 3)
    return text.layer("concat", "Concat", [x, y], text.channels[x] + 2)


def separable(text: Text, x: str) -> str:
    wide = text.channels[x]
    x = text.relu("dw/relu", text.conv("dw", x, wide, 3, group=wide))
    return text.relu("pw/relu", text.conv("pw", x, wide * (2 if text.odd(0.2) and wide < 32 else 1)))


def tangled(text: Text, x: str) -> str:
    """Branches that read one another, and have no one place to meet but the end."""
    x = text.split(x)
    wide = text.channels[x]
    a = text.relu("a/relu", text.conv("a", x, wide))
    b = text.conv("b", x, wide)
    c = text.layer("c", "Eltwise", [a, b], wide)
    d = text.layer("d", "Eltwise", [a, x], wide, "eltwise_param { operation: MAX }")
    return text.layer("e", "Eltwise", [c, d, b] if text.odd(0.5) else [c, d], wide)


def double(text: Text, x: str) -> str:
    """Two convolutions, as at a level of a U-Net."""
    wide = text.random.choice([3, 4])
    norm = text.odd(0.5)
    for name in ("conv1", "conv2", "conv3") if text.odd(0.1) else ("conv1", "conv2"):
        x = text.relu(f"{name}/relu", text.conv(name, x, wide, 3, norm=norm))
    return x if text.odd(0.3) else text.layer("shrink", "TanH", [x], wide)


def equal(text: Text, x: str) -> str:
    """Equal convolutions, many."""
    for k in range(text.random.randint(3, 8)):
        x = text.relu(f"conv{k}/relu", text.conv(f"conv{k}", x, 4, 3, norm=False))
    return x


BLOCKS: list[Callable[[Text, str], str]] = [residual, inception, dense, separable, tangled, double, equal]


def repeating_net(seed: int) -> str:
    """A net of runs of blocks, with layers in between, and a second output now and then."""
    random = Random(seed)
    text = Text(random)
    x, inner = "data", []
    number = 0
    for stage in range(random.randint(1, 3)):
        make = random.choice(BLOCKS)
        first = x
        for index in range(random.randint(2, 6)):
            number += 1
            text.block = random.choice([f"s{stage}_{index}", f"s{stage}_{index}", f"block{number}", f"n{number}"])
            x = (make if text.odd(0.9) else random.choice(BLOCKS))(text, x)
            inner.append(x)
        text.block = f"between{stage}"
        if text.channels[x] == text.channels[first] and text.odd(0.5):  # what the stage starts from is read again
            x = text.layer("again", "Eltwise", [x, first], text.channels[x])
        if text.odd(0.5):
            window = "pooling_param { pool: MAX kernel_size: 2 stride: 1 }"
            x = text.layer("pool", "Pooling", [x], text.channels[x], window)
            inner = []  # of another size from here on
    text.block = "end"
    if inner[:-1] and text.odd(0.3):  # a value from inside is read again
        old = random.choice(inner[:-1])
        x = text.layer("again", "Concat", [x, old], text.channels[x] + text.channels[old])
    if text.odd(0.3):
        text.layer("second", "Pooling", [x], 1, "pooling_param { pool: AVE global_pooling: true }")
    text.layer("fc", "InnerProduct", [x], 3, "inner_product_param { num_output: 3 }")
    return "\n".join([f'name: "net {seed}"', *text.lines])
