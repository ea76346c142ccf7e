"""A Caffe net in the making: layers are added one at a time, their shapes worked out by Caffe's own rules."""

from __future__ import annotations

import importlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from caffe2py.errors import Place
from caffe2py.frontends.caffe.targets import Target
from caffe2py.graph import Graph
from caffe2py.graph.build import build, check_size
from caffe2py.layers.base import Misfit, Params, Shape, find_layer
from caffe2py.proto.forks import OWN
from caffe2py.proto.schema import LayerParameter, NetParameter, field_default
from caffe2py.proto.text.prototxt import DIMS, LayerText, NetText, Unknown
from caffe2py.proto.weights.blobs import Blob as Stored
from caffe2py.proto.weights.layers import LayerBlobs, Weights

LARGEST = 2**27  # values of an array that is made here: half a gigabyte


class Unsayable(Exception):
    """What Caffe's layers cannot say, and why."""


def limited(*sizes: int) -> None:
    """Raise `Unsayable` where an array of these sizes would be too large to make."""
    if math.prod(sizes) > LARGEST:
        raise Unsayable(f"{' x '.join(map(str, sizes))} values would have to be made; want {LARGEST} at the most")


@dataclass(eq=False)
class Blob:
    """A blob of the net. Its name may still change, until the net is finished."""

    shape: Shape
    name: str = ""
    whole: bool = False  # its values are whole numbers: indices
    of: Blob | None = None  # the blob of which this is what stands before the point: nobody but an Embed cuts it off

    @property
    def truncated(self) -> bool:
        return self.of is not None


@dataclass(eq=False)
class Entry:
    """A layer of the net."""

    type: str
    bottoms: tuple[Blob, ...]
    tops: tuple[Blob, ...]
    blobs: tuple[np.ndarray, ...]
    params: Mapping[str, Any]
    unknown: tuple[Unknown, ...] = ()
    name: str = ""


class Said(NamedTuple):
    """A layer as somebody wanted to say it."""

    type: str
    bottoms: tuple[Blob, ...]
    blobs: tuple[np.ndarray, ...]
    params: Mapping[str, Any]
    tops: int

    def word(self, path: str, default: Any = None) -> Any:
        """A field of its blocks: ``word("scale_param.axis", 1)``."""
        block, name = path.split(".")
        return self.params.get(block, {}).get(name, default)


Otherwise = Callable[["Draft", Said], tuple[Blob, ...]]
_OTHERWISE: dict[str, Otherwise] = {}


def otherwise(*types: str) -> Callable[[Otherwise], Otherwise]:
    """Register how layers of these types are said where the target lacks the type, or a field that is given."""

    def add(function: Otherwise) -> Otherwise:
        _OTHERWISE.update(dict.fromkeys(types, function))
        return function

    return add


@dataclass
class Draft:
    """The layers so far, in their order, and who made each blob."""

    target: Target = field(default_factory=Target)
    entries: list[Entry] = field(default_factory=list)
    makers: dict[Blob, Entry] = field(default_factory=dict)
    affine: dict[Blob, tuple[Blob, np.ndarray, np.ndarray]] = field(default_factory=dict)  # a factor and a term each
    numbered: dict[Blob, tuple[Blob, int]] = field(default_factory=dict)  # places counted on through images of a size
    padded: dict[Blob, tuple[Blob, tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    def input(self, name: str, shape: Shape, **params: Any) -> Blob:
        """An input of the net; `params` are further blocks of its layer."""
        if self.target.format.inputs == DIMS and len(shape) != 4:
            raise Unsayable(f'input "{name}" has {len(shape)} axes; those of {self.target.name} have four')
        blob = Blob(tuple(shape), name)
        shaped = {"input_param": {"shape": [{"dim": list(shape)}]}, **params}
        self._append(Entry("Input", (), (blob,), (), shaped, name=name))
        return blob

    def layer(self, type_: str, *bottoms: Blob, blobs: Sequence[np.ndarray] = (), **params: Any) -> Blob:
        """A layer with one top; `params` are its blocks, and `fork` the values of a fork's block, by their paths."""
        return self.layers(type_, 1, *bottoms, blobs=blobs, **params)[0]

    def layers(
        self,
        type_: str,
        tops: int,
        *bottoms: Blob,
        blobs: Sequence[np.ndarray] = (),
        fork: Mapping[str, Sequence[object]] | None = None,
        **params: Any,
    ) -> tuple[Blob, ...]:
        """A layer with several tops. Raises `Unsayable` where Caffe refuses it, or the target lacks the type."""
        params = _without_defaults(params, self.target)
        message = LayerParameter(type=type_, bottom=["x"] * len(bottoms), top=[str(i) for i in range(tops)], **params)
        if lost := self.target.lacks(message, fork or ()):
            return self._otherwise(type_, lost[0], Said(type_, bottoms, tuple(blobs), params, tops))
        unknown = tuple(Unknown(p, value, Place("")) for p, values in (fork or {}).items() for value in values)
        cls = find_layer(type_)
        assert cls is not None
        try:
            layer = cls.read(Params(message, unknown))
            shapes = layer.shapes(*(b.shape for b in bottoms))
            wanted = list(layer.weights(*(b.shape for b in bottoms)).values())
            for shape in (*shapes, *wanted):
                check_size(shape)
        except Misfit as misfit:
            raise Unsayable(f"{type_} {misfit}") from None
        given = tuple(blobs)
        if [b.shape for b in given] != wanted:
            raise Unsayable(f"{type_} takes blobs {wanted}, not {[b.shape for b in given]}")
        if any(s is None or 0 in s for s in shapes):
            raise Unsayable(f"{type_} would make an empty blob")
        made = tuple(Blob(tuple(s)) for s in shapes if s is not None)
        if not self.target.has("input_shape") and max((len(s) for s in (*shapes, *wanted) if s), default=0) > 4:
            raise Unsayable(f"{type_} would have a blob of more than four axes, which {self.target.name} has not")
        self._append(Entry(type_, bottoms, made, given, params, unknown))
        return made

    def _otherwise(self, type_: str, lost: str, said: Said) -> tuple[Blob, ...]:
        """What a layer does, in the layers of a target that lacks it, or a field of it."""
        importlib.import_module("caffe2py.frontends.caffe.older")
        if type_ not in _OTHERWISE:
            thing = f"{type_} is no layer" if lost == type_ else f"{type_} is said with {lost}, which is no field"
            raise Unsayable(f"{thing} of {self.target.name}")
        return _OTHERWISE[type_](self, said)

    def _append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.makers.update(dict.fromkeys(entry.tops, entry))

    def constant(self, values: np.ndarray) -> Blob:
        """Fixed values as a blob."""
        array = float_blob(values)
        return self.layer("Parameter", blobs=[array], parameter_param={"shape": {"dim": list(array.shape)}})

    def made_by(self, blob: Blob, *types: str) -> Entry | None:
        """The layer that makes a blob, where it is of one of these types."""
        maker = self.makers.get(blob)
        return maker if maker is not None and maker.type in types else None

    def named(self, start: int, name: str, tops: Mapping[str, Blob]) -> None:
        """Name the layers from the `start`th on after the node that they say, and its results."""
        for top, blob in tops.items():
            blob.name = blob.name or top
        results = {self.makers[b] for b in tops.values() if b in self.makers}
        for entry in self.entries[start:]:
            if not entry.name:
                entry.name = name if entry in results else f"{name}/{entry.type.lower()}"

    def finish(self, title: str, outputs: Mapping[str, Blob], file: str, head: Sequence[str] = ()) -> Graph:
        """The graph of the layers that the outputs need; blobs that nobody reads end in a Silence."""
        results = [self._output(name, blob, outputs) for name, blob in outputs.items()]
        kept = list(self._needed(results))
        read = {b for entry in kept for b in entry.bottoms} | set(results)
        for entry in list(kept):
            if silent := [b for b in entry.tops if b not in read]:
                name = f"{entry.name}/silence"
                kept.append(Entry("Silence", tuple(silent), (), (), {}, name=name))
        self._name_apart(kept, set(outputs))
        place = Place(file)
        layers = tuple(LayerText(_message(entry), place, entry.unknown) for entry in kept)
        stored = tuple(
            LayerBlobs(e.name, e.type, tuple(map(Stored, map(float_blob, e.blobs)))) for e in kept if e.blobs
        )
        foreign = any(e.unknown or not Target().has(e.type) for e in kept)
        net = NetText(
            title,
            layers,
            NetParameter(name=title),
            file=file,
            dialects=self.target.dialects if foreign else (OWN,),
            head=tuple(head),
            format=self.target.format,
        )
        return build(net, Weights(file, title, stored, "V2"))

    def _output(self, name: str, blob: Blob, outputs: Mapping[str, Blob]) -> Blob:
        """The blob that ends as an output: one of that name, which nobody else reads."""
        alias = blob.name != name or list(outputs.values()).index(blob) != list(outputs).index(name)
        if not alias and not any(blob in entry.bottoms for entry in self.entries) and blob in self.makers:
            return blob
        if blob.name == name:
            taken = {b.name for e in self.entries for b in e.tops}
            blob.name = next(n for i in itertools.count() if (n := f"{name}/before{i or ''}") not in taken)
            maker = self.makers[blob]
            if maker.type == "Input":
                raise Unsayable(f'input "{name}" is an output too')
        start = len(self.entries)
        made = self.layer("Split", blob)
        self.named(start, name, {name: made})
        return made

    def _needed(self, results: Sequence[Blob]) -> Iterator[Entry]:
        needed = set(results)
        kept = []
        for entry in reversed(self.entries):
            if entry.type == "Input" or needed.intersection(entry.tops):
                needed.update(entry.bottoms)
                kept.append(entry)
        return reversed(kept)

    def _name_apart(self, entries: Sequence[Entry], outputs: set[str]) -> None:
        """Give every blob and every layer a name of its own; those of outputs stay."""
        layers: Counter[str] = Counter()
        taken = set(outputs)
        named: dict[str, Blob] = {}
        for entry in entries:
            entry.name = _apart(entry.name, layers)
            for i, blob in enumerate(entry.tops):
                wanted = blob.name or (entry.name if len(entry.tops) == 1 else f"{entry.name}/{i}")
                while named.get(wanted, blob) is not blob or (not blob.name and wanted in taken):
                    wanted += "_"
                named[wanted] = blob
                blob.name = wanted


def _apart(name: str, seen: Counter[str]) -> str:
    seen[name] += 1
    if seen[name] == 1:
        return name
    return _apart(f"{name}_{seen[name]}", seen)


def _message(entry: Entry) -> Any:
    return LayerParameter(
        name=entry.name,
        type=entry.type,
        bottom=[b.name for b in entry.bottoms],
        top=[b.name for b in entry.tops],
        **entry.params,
    )


def _without_defaults(params: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """The blocks without the fields that the target lacks and that say no more than what it does without them."""

    def idle(path: str, value: object) -> bool:
        return not target.has(path) and field_default(path) == value

    left = {
        block: {name: value for name, value in words.items() if not idle(f"{block}.{name}", value)}
        if isinstance(words, dict)
        else words
        for block, words in params.items()
    }
    return {block: words for block, words in left.items() if words}


def float_blob(values: np.ndarray) -> np.ndarray:
    """Values as Caffe keeps them: float32, or float64 where they are that. What is float32 already is not copied."""
    if values.dtype.newbyteorder("=") in (np.float32, np.float64):
        return values
    return values.astype(np.float32)


def with_head(graph: Graph, head: Sequence[str]) -> Graph:
    """The graph with other lines of comment at the head of its prototxt."""
    assert graph.net is not None
    return replace(graph, net=replace(graph.net, head=tuple(head)))
