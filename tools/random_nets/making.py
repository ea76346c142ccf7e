"""Makes random nets: one to three layers of any type, with parameters of every kind, the odd ones among them.

What a layer may be given comes from the schema: each field of its parameter message, with a value of its type. Most
nets that come out are refused by Caffe, and must be refused here; the rest must run alike.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from caffe2py.layers.base import Layer, Shape
from caffe2py.layers.base.registry import layer_types
from caffe2py.proto.forks import dialects
from caffe2py.proto.schema import LAYER

# Types that read files, draw random numbers, run a stranger's code or write, and so say nothing without them.
OUTSIDE = {"Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "Input", "MemoryData", "Python", "WindowData"}
WITHOUT_MESSAGE_OF_THEIR_OWN = {"Deconvolution": "convolution", "Im2col": "convolution", "LSTM": "recurrent"} | {
    "RNN": "recurrent",
    "SoftmaxWithLoss": "softmax",
}

# A field's values by its name, where its type alone would seldom give one that fits.
INTEGERS: Mapping[str, Sequence[int]] = {
    "axis": (0, 1, 1, 1, 2, 3, -1, -1, -2, -3, 5),
    "concat_dim": (0, 1, 2),
    "slice_dim": (0, 1, 2),
    "dim": (1, 2, 3, 0, -1, 6),
    "end_axis": (1, 2, 3, -1, -2, 0),
    "dilation": (1, 1, 1, 2, 3, 0),
    "group": (1, 1, 2, 3),
    "ignore_label": (0, 1, -1, 255),
    "input_dim": (3, 4, 5),
    "kernel": (1, 2, 2, 3, 3, 3, 5, 0),
    "local_size": (1, 3, 5, 7, 2),
    "num_axes": (1, 2, -1, 0, 3),
    "num_output": (1, 2, 3, 4, 6),
    "offset": (0, 1, 2),
    "pad": (0, 0, 1, 1, 2),
    "pyramid_height": (1, 2, 3),
    "slice_point": (1, 2, 3),
    "stride": (1, 1, 2, 2, 3, 0),
    "tiles": (1, 2, 3, 1, 2, 3, 0),
    "top_k": (1, 2, 3, 5),
}
FLOATS = (0.0, 1.0, -1.0, 0.5, 2.0, -0.3, 3.0, 1e-3)
NEEDED = {"num_output", "kernel_size", "input_dim", "shape", "dim", "slice_point", "min", "max"}  # given nearly always
OLD_WORDS = {"num", "channels", "height", "width", "concat_dim", "slice_dim"}  # given seldom: others say the same today
FILLERS = ("constant", "uniform", "gaussian", "xavier", "msra", "positive_unitball")
NEVER = {"engine", "source", "debug_info"}  # a choice of hardware, files, and talk

# What a layer's bottoms hold beside any numbers: whole numbers below 3, as labels and indices are.
WHOLE: Mapping[str, Sequence[int]] = {
    "Accuracy": (1,),
    "BatchReindex": (1,),
    "ContrastiveLoss": (2,),
    "Embed": (0,),
    "Filter": (-1,),
    "HingeLoss": (1,),
    "InfogainLoss": (1,),
    "LSTM": (1,),
    "MultinomialLogisticLoss": (1,),
    "RNN": (1,),
    "SigmoidCrossEntropyLoss": (1,),
    "SoftmaxWithLoss": (1,),
}
# The shapes of bottoms that must fit each other, of a map's (N, C, H, W) or a sequence's (T, N, C, ...).
FORMS: Mapping[str, Sequence[Callable[[Shape], Shape]]] = {
    "Axpy": (lambda s: (*s[:2], 1, 1), lambda s: s, lambda s: s),
    "ContrastiveLoss": (lambda s: s[:2], lambda s: s[:2], lambda s: s[:1]),
    "InfogainLoss": (lambda s: s, lambda s: s[:1] + s[2:], lambda s: (1, 1, s[1], s[1])),
    "LSTM": (lambda s: s, lambda s: s[:2], lambda s: (*s[1:2], 3)),
    "LSTMUnit": (lambda s: (1, *s[:2]), lambda s: (1, s[0], 4 * s[1]), lambda s: (1, s[0])),
    "RNN": (lambda s: s, lambda s: s[:2], lambda s: (*s[1:2], 3)),
}
POSITIVE = {"Log", "InfogainLoss", "MultinomialLogisticLoss"}  # what is taken the logarithm of


@dataclass(frozen=True)
class RandomNet:
    """A net's text, and how the arrays for its inputs are drawn: "any", "whole" or "positive" numbers."""

    seed: int
    text: str
    inputs: Mapping[str, tuple[Shape, str]]
    types: tuple[str, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """The inputs' values, the same for the same seed."""
        draw = np.random.RandomState(self.seed)
        return {blob: _drawn(draw, shape, kind) for blob, (shape, kind) in self.inputs.items()}


def _drawn(draw: np.random.RandomState, shape: Shape, kind: str) -> np.ndarray:
    if kind == "whole":
        return draw.randint(0, 3, shape).astype(np.float32)
    low = 0.05 if kind == "positive" else -1.0
    return draw.uniform(low, 1.0, shape).astype(np.float32)


@cache
def types_of_nets() -> tuple[str, ...]:
    """Every registered type that computes from its bottoms, or makes numbers of its own."""
    return tuple(sorted(name for name, cls in layer_types().items() if name not in OUTSIDE and not cls.is_input))


def random_net(seed: int, types: Sequence[str] = ()) -> RandomNet:
    """The net of a seed: always the same one. `types` are those to choose from, else all."""
    return _Maker(random.Random(seed), types or types_of_nets()).net(seed)


class _Maker:
    def __init__(self, draw: random.Random, types: Sequence[str]) -> None:
        self.draw = draw
        self.types = types
        self.inputs: dict[str, tuple[Shape, str]] = {}
        self.layers: list[str] = []
        self.shape = self._first_shape()

    def net(self, seed: int) -> RandomNet:
        chosen = []
        last: str | None = None
        for i in range(self.draw.choice((1, 1, 1, 2, 2, 3))):
            type_ = self.draw.choice(self.types)
            chosen.append(type_)
            last = self._layer(i, type_, last)
        heads = [f'name: "random {seed}"', "force_backward: true"]
        for blob, (shape, _) in self.inputs.items():
            dims = " ".join(f"dim: {n}" for n in shape)
            heads.append(f'layer {{ name: "{blob}" type: "Input" top: "{blob}" input_param {{ shape {{ {dims} }} }} }}')
        return RandomNet(seed, "\n".join([*heads, *self.layers]) + "\n", self.inputs, tuple(chosen))

    def _layer(self, i: int, type_: str, last: str | None) -> str | None:
        """Writes a layer; its first top, for the next to build on."""
        cls = layer_types()[type_]
        count = self._count(cls.bottoms.low, cls.bottoms.high)
        whole = {at % count for at in WHOLE.get(type_, ()) if count}
        bottoms = [self._bottom(type_, at, count, at in whole, last) for at in range(count)]
        tops = [f"t{i}" + "bcd"[: n and 1] * n for n in range(self._top_count(cls, count))]
        if bottoms and len(tops) == 1 and bottoms[0] not in self.inputs and self.draw.random() < 0.2:
            tops = [bottoms[0]]
        words = [f'name: "l{i}" type: "{type_}"']
        words += [f'bottom: "{b}"' for b in bottoms] + [f'top: "{t}"' for t in tops]
        words += self._parameters(type_)
        if cls.is_loss and tops and self.draw.random() < 0.2:
            words.append(f"loss_weight: {self.draw.choice((0, 0.5, 2))}")
        self.layers.append(f"layer {{ {' '.join(words)} }}")
        return tops[0] if tops else last

    def _count(self, low: int, high: int | None) -> int:
        most = low + 2 if high is None else high
        return self.draw.choice([low] * 3 + list(range(low, most + 1)))

    def _top_count(self, cls: type[Layer], bottoms: int) -> int:
        if cls.same_count:
            return bottoms
        return self._count(cls.tops.low, cls.tops.high)

    # bottoms

    def _bottom(self, type_: str, at: int, count: int, whole: bool, last: str | None) -> str:
        if at == 0 and last is not None and not whole and type_ not in FORMS:
            return last
        if at and not whole and type_ not in FORMS and self.draw.random() < 0.15:
            return self.draw.choice([*self.inputs, *([last] if last else [])] or [self._input(self.shape, "any")])
        shape = self.shape
        if type_ in FORMS and len(self.shape) > 1 and self.draw.random() < 0.9:
            forms = FORMS[type_]
            shape = forms[at](self.shape) if at < len(forms) else self.shape
        elif at or whole:
            shape = self._other_shape(whole)
        return self._input(shape, "whole" if whole else "positive" if type_ in POSITIVE else "any")

    def _input(self, shape: Shape, kind: str) -> str:
        blob = f"in{len(self.inputs)}" if self.inputs else "data"
        self.inputs[blob] = (shape, kind)
        return blob

    def _first_shape(self) -> Shape:
        axes = self.draw.choice((4, 4, 4, 4, 2, 3, 5, 1))
        sizes = [self.draw.randint(1, 3), self.draw.choice((1, 2, 3, 4, 6))]
        sizes += [self.draw.randint(1, 11) if axes < 5 else self.draw.randint(1, 6) for _ in range(3)]
        return tuple(sizes[:axes])

    def _other_shape(self, whole: bool) -> Shape:
        """Of the first bottom's shape, or of what belongs to it: labels, a scale for each channel, a smaller map."""
        s = self.shape
        if whole:
            return self.draw.choice((s[:1], (*s[:1], 1, 1, 1), s[:1] + s[2:], s[:2], (*s[:1], 1, *s[2:]), s))
        low = self.draw.randint(0, len(s) - 1)
        part = s[low : self.draw.randint(low, len(s))]
        smaller = tuple(max(1, n - self.draw.choice((0, 0, 1, 2))) for n in s)
        return self.draw.choice((s, s, s, s, part, smaller, s[:2], (*s[:2], 1, 1)))

    # parameters

    def _parameters(self, type_: str) -> Iterator[str]:
        for name, message in _messages(type_).items():
            if text := " ".join(self._message(message, 0.3)):
                yield f"{name} {{ {text} }}"

    def _message(self, message: Any, often: float) -> Iterator[str]:
        pairs = {f.name[:-2] for f in message.fields if f.name.endswith("_h")}
        apart = {stem for stem in pairs if self.draw.random() < 0.15}
        for field in message.fields:
            if field.name in NEVER or self.draw.random() > self._chance(field.name, apart, often):
                continue
            times = self.draw.choice((1, 1, 1, 1, 1, 2, 3)) if field.is_repeated else 1
            for _ in range(times):
                if field.name.endswith("filler"):
                    yield f"{field.name} {{ {self._filler()} }}"
                elif field.message_type is not None:
                    dims = " ".join(self._message(field.message_type, 0.5))
                    yield f"{field.name} {{ {dims} }}"
                else:
                    yield f"{field.name}: {self._value(field)}"

    def _chance(self, name: str, apart: set[str], often: float) -> float:
        """How often a field is given. The height and width of a window are said apart where the draw says so."""
        stem = name.removesuffix("_size")
        if name in OLD_WORDS:
            return 0.03
        if name.endswith(("_h", "_w")):
            return 0.97 if name[:-2] in apart else 0.01
        return 0.03 if stem in apart else 0.97 if name in NEEDED else often

    def _filler(self) -> str:
        return f'type: "{self.draw.choice(FILLERS)}"'

    def _value(self, field: Any) -> str:
        stem = field.name.removesuffix("_size") if field.name == "kernel_size" else re.sub("_[hw]$", "", field.name)
        choices: dict[bool, Callable[[], object]] = {
            field.enum_type is not None: lambda: self.draw.choice([v.name for v in field.enum_type.values]),
            field.cpp_type == field.CPPTYPE_BOOL: lambda: self.draw.choice(("true", "false")),
            field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE): lambda: self.draw.choice(FLOATS),
            field.cpp_type == field.CPPTYPE_STRING: lambda: '""',
        }
        other: Callable[[], object] = lambda: self.draw.choice(INTEGERS.get(stem, (1, 1, 2, 3, 0)))  # noqa: E731
        return str(choices.get(True, other)())


@cache
def _messages(type_: str) -> Mapping[str, Any]:
    """The parameter messages that a type reads: those its class names, and the one that bears its name."""
    cls: Any = layer_types()[type_]
    names = [str(f.metadata["path"]).split(".")[0] for f in dataclasses.fields(cls) if "path" in f.metadata]
    schemas = [LAYER, *(d.message("LayerParameter") for d in dialects() if type_ in d.types)]
    fields = {f.name: f.message_type for s in reversed(schemas) if s is not None for f in s.fields}
    stem = WITHOUT_MESSAGE_OF_THEIR_OWN.get(type_, type_).lower()
    names += [name for name in fields if name.replace("_", "") == f"{stem}param"]
    return {name: fields[name] for name in dict.fromkeys(names) if fields.get(name) is not None}
