"""The parts of a graph: a layer (`Node`), the blobs it reads and makes (`Value`), those it has learned (`Weight`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffe2py.errors import CaffeError, Place, WeightError, shown
from caffe2py.layers.base import Layer, Shape, text
from caffe2py.proto.text.prototxt import Unknown

if TYPE_CHECKING:
    import numpy as np

Kind = type[CaffeError]


@dataclass(frozen=True, repr=False)
class Value:
    """A blob as it stands after one layer wrote it. Prints as `conv1`, later versions as `conv1#2`."""

    blob: str
    version: int = 1

    def __str__(self) -> str:
        return self.blob if self.version == 1 else f"{self.blob}#{self.version}"

    def __repr__(self) -> str:
        return f"<Value {shown(str(self))}>"


@dataclass(frozen=True, repr=False)
class Weight:
    """A learned blob. `data` is None where no weights were given; `owner` is the (layer's key, index) it is kept at.

    `extra` are fields of its caffemodel that no schema explains, to be written back.
    """

    name: str
    shape: Shape
    data: np.ndarray | None
    owner: tuple[str, int]
    learned: bool = True
    extra: bytes = field(default=b"", compare=False, repr=False)

    def __repr__(self) -> str:
        return f"<Weight {shown(self.name)} {text(self.shape)}{'' if self.data is not None else ', not given'}>"

    @property
    def count(self) -> int:
        product = 1
        for d in self.shape:
            product *= d
        return product


@dataclass(frozen=True, repr=False)
class Node:
    """One layer of the net: what it is, what it reads, what it makes.

    Several layers may have one name. `key` is the name of the first, `crop#2` of the second.
    """

    name: str
    layer: Layer
    bottoms: tuple[Value, ...]
    tops: tuple[Value, ...]
    weights: tuple[Weight, ...] = ()
    loss_weights: tuple[float, ...] = ()
    stopped: tuple[bool, ...] = ()  # by bottom: no gradient flows back into it (propagate_down: false)
    key: str = ""
    own_phase: str = ""  # TRAIN or TEST, where the layer says one that is not the net's
    place: Place | None = None
    message: Any = field(default=None, compare=False, repr=False)
    unread: tuple[Unknown, ...] = field(default=(), compare=False, repr=False)  # fields that may matter

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.name)

    def __repr__(self) -> str:
        bottoms, tops = (", ".join(map(str, values)) or "nothing" for values in (self.bottoms, self.tops))
        return f"<Node {shown(self.key)} ({shown(self.type)}): {shown(bottoms)} -> {shown(tops)}>"

    @property
    def type(self) -> str:
        return self.layer.type

    def blobs(self) -> list[np.ndarray]:
        """The values of the layer's weights, in Caffe's order. Raises `WeightError` where none were given."""
        values = [w.data for w in self.weights if w.data is not None]
        if len(values) < len(self.weights):
            wish = "want the net's caffemodel, or a seed for its fillers (--fill SEED; fill=SEED in Python)"
            raise self.error(WeightError, f"no weights were given; {wish}")
        return values

    def error(self, kind: Kind, fact: str) -> CaffeError:
        """An error about this layer, with its place and name."""
        return layer_error(kind, self.name, self.type, self.place, fact)


def layer_error(
    kind: Kind, name: str, type_: str, place: Place | None, fact: str, lines: Sequence[str] = ()
) -> CaffeError:
    """An error that names file, line, layer and type before the fact."""
    return kind(f'layer "{shown(name)}" ({shown(type_)}): {fact}', place, lines)
