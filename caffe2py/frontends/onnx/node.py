"""An operator of an ONNX graph, as its translation sees it; and the register of translations."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import onnx

from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.layers.base import Shape

Value = Blob | np.ndarray  # what a blob of the net holds, or what is known now


@dataclass(frozen=True)
class Node:
    """An operator with its inputs: blobs, known values, None for one that is left out."""

    op: str
    name: str
    inputs: Sequence[Value | None]
    attributes: Mapping[str, Any]
    shapes: Sequence[Shape | None]  # of its outputs, where ONNX can tell
    opset: int
    axpy: bool = False

    def attr(self, name: str, default: Any = None) -> Any:
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def value(self, i: int) -> Value:
        """Input i, whatever it is."""
        found = self.optional(i)
        if found is None:
            raise Unsayable(f"has no input {i}")
        if isinstance(found, np.ndarray) and found.dtype.kind not in "fiub":
            raise Unsayable(f"its input {i} is of {found.dtype} values")
        return found

    def optional(self, i: int) -> Value | None:
        return self.inputs[i] if i < len(self.inputs) else None

    def blob(self, i: int = 0) -> Blob:
        """Input i, which must be a blob of the net."""
        found = self.value(i)
        if not isinstance(found, Blob):
            raise Unsayable(f"its input {i} is a constant")
        if found.truncated:
            raise Unsayable(f"its input {i} is cut to whole numbers, which only an embedding does in Caffe")
        return found

    def as_blob(self, n: Draft, i: int) -> Blob:
        """Input i as a blob, a constant as a layer that holds it."""
        found = self.value(i)
        return self.blob(i) if isinstance(found, Blob) else n.constant(found)

    def known(self, i: int, what: str) -> np.ndarray:
        """Input i, which must be known now."""
        found = self.value(i)
        if isinstance(found, Blob):
            raise Unsayable(f"its {what} is computed by the net; want a constant")
        return found

    def maybe(self, i: int, what: str) -> np.ndarray | None:
        return None if self.optional(i) is None else self.known(i, what)

    def given(self, i: int, attribute: str, default: Any = None) -> Any:
        """What was an attribute in early opsets and is an input in later ones, as a list or a number."""
        if attribute in self.attributes:
            return self.attr(attribute)
        found = self.maybe(i, attribute)
        return default if found is None else found.tolist()

    @property
    def shape(self) -> Shape:
        """The shape of the first output."""
        found = self.shapes[0]
        if found is None:
            raise Unsayable("the shape of its output is not known")
        return found


Made = Value | Sequence[Value | None]
Translation = Callable[[Node, Draft], Made]
T = TypeVar("T", bound=Translation)
_REGISTER: dict[str, Translation] = {}


def operator(*names: str) -> Callable[[T], T]:
    """Register a function as the translation of operators of these names."""

    def add(function: T) -> T:
        _REGISTER.update(dict.fromkeys(names, function))
        return function

    return add


@cache
def translations() -> Mapping[str, Translation]:
    """The translation of every operator that has one, by the operator's name."""
    package = importlib.import_module("caffe2py.frontends.onnx.operators")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _REGISTER


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises `Unsayable` for one that is not there."""
    if not -rank <= axis < rank:
        raise Unsayable(f"axis {axis} of {rank}")
    return axis % rank if rank else 0


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
