"""The base of all layer types: what one type means, in one place.

A class says the shapes of its tops (`shapes`), its learned blobs (`weights`), its source text in torch (`torch`) and
its nodes in ONNX (`onnx`). It imports neither torch nor onnx: it writes text, and calls a builder that is handed in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

from caffe2py.layers.base.params import Params, read_fields
from caffe2py.layers.base.views import Builder, Emitter, Handle, Term
from caffe2py.layers.base.words import Misfit, Shape


class Count(NamedTuple):
    """How many bottoms or tops a layer type takes: at least `low`, at most `high` (None: no limit)."""

    low: int
    high: int | None

    def __str__(self) -> str:
        if self.low == self.high:
            return str(self.low)
        return f"{self.low} or more" if self.high is None else f"{self.low} to {self.high}"

    def takes(self, n: int) -> bool:
        return n >= self.low and (self.high is None or n <= self.high)


class Filler(NamedTuple):
    """What fills a blob of a net without weights: the FillerParameter at `path`, else the number Caffe starts from."""

    path: str
    otherwise: float = 0.0


class Layer:
    """Base of all layer types. A subclass is a frozen dataclass made by the `layer` decorator."""

    type: ClassVar[str] = ""
    bottoms: ClassVar[Count] = Count(1, 1)
    tops: ClassVar[Count] = Count(1, 1)
    same_count: ClassVar[bool] = False  # as many tops as bottoms
    is_input: ClassVar[bool] = False  # its tops are the net's inputs
    is_loss: ClassVar[bool] = False  # its first top weighs 1 in the objective where nothing is said
    trains: ClassVar[bool] = False  # only training needs it; who reads its first top gets its first bottom elsewhere
    at_test: ClassVar[Mapping[int, tuple[int, ...]]] = {}  # of so many bottoms, those that remain at test; and one top
    auto_tops: ClassVar[bool] = False  # tops that the prototxt leaves out are made without a name
    idle: ClassVar[bool] = False  # its tops are its bottom
    time_first: ClassVar[bool] = False  # its blobs are (time, batch, ...)
    finds: ClassVar[bool] = False  # its top is rows (image, label, score, left, top, right, bottom), boxes in shares
    stepwise: ClassVar[bool] = False  # its torch text goes by the values that it sees, as torch.export cannot
    measured: ClassVar[int | None] = None  # the axis of its tops whose size its values decide; `shapes` says the most
    in_place: ClassVar[bool] = True  # a top may have the name of its bottom
    fillers: ClassVar[Mapping[str, Filler]] = {}  # by the names of `weights`; a blob that is not here starts as 0
    reads_back: ClassVar[str] = ""  # what Caffe's backward pass reads: "x" the bottoms' data, "y" the tops', "xy" both
    running: ClassVar[frozenset[str]] = frozenset()  # those of its blobs that are statistics, which nobody learns
    fork: ClassVar[str] = ""  # whose it is, where it is not Caffe's own
    formula: ClassVar[bool] = False  # nobody recorded it: it is held against the formula of its docstring
    words: ClassVar[tuple[str, ...]] = ()  # of a type with several meanings: the fields that this one alone has
    blob_counts: ClassVar[tuple[int, ...]] = ()  # and how many learned blobs it may have
    one_of: ClassVar[bool] = False  # is it one meaning of several?

    @classmethod
    def read(cls, params: Params) -> Layer:
        """The layer that a prototxt's parameters describe; `Misfit` where they contradict themselves."""
        return cls(**read_fields(cls, params))

    def shapes(self, *bottoms: Shape) -> Sequence[Shape | None]:
        """The shapes of the tops, None where one is not known; `Misfit` where the bottoms do not fit."""
        return bottoms

    def weights(self, *bottoms: Shape) -> Mapping[str, Shape]:
        """The learned blobs by name, in Caffe's order, with their shapes."""
        return {}

    def torch(self, em: Emitter, *bottoms: Term) -> str | Sequence[str]:
        """Source text: one expression for each top. `em` declares modules and parameters and names helpers."""
        raise Misfit(f"{self.type} has no torch view")

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle | Sequence[Handle]:
        """Nodes added to the builder `g`; returns the value of each top."""
        raise Misfit(f"{self.type} has no ONNX view")

    def draws(self, phase: str) -> bool:
        """Are the tops drawn at random in this phase, so that no two runs agree?"""
        return False

    def read_back(self, in_place: bool) -> str:
        """What Caffe's backward pass reads of the blobs, which a later layer in place may have overwritten."""
        return self.reads_back

    def may_be_in_place(self, bottoms: int, tops: int) -> bool:
        """May a top of the layer, which has so many of both, have the name of its bottom?"""
        return self.in_place

    def shares_memory(self, bottoms: int, tops: int) -> bool:
        """Are the tops of the layer, which has so many of both, kept where its bottom is?"""
        return False

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str] | None:
        """The layer as Caffe's own code runs it where the top lies in the memory of these bottoms, and why it differs.

        None: the code reads all that it needs before it writes. `Misfit`: what comes of it cannot be said.
        """
        return None

    def changed(self, **fields: Any) -> Self:
        """The layer with other values of some of its fields."""
        return dataclasses.replace(self, **fields)  # type: ignore[type-var]

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Multiply-adds of one forward pass; 0 for layers that only move or compare values."""
        return 0

    def summary(self) -> str:
        """The parameters that differ from their defaults, in a few words."""
        words = []
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if value != f.default and not f.metadata.get("unsaid"):
                words.append(f"{f.name} {_words(value)}")
        return ", ".join(words)


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(_words(v) for v in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
