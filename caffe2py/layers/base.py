"""What every layer type has in common: its parameters, its counts of blobs, and the registry.

A layer type is one small class in one small file. It says what the type means: the shapes of its tops
(`shapes`), its learned blobs (`weights`), its source text in torch (`torch`) and its nodes in ONNX
(`onnx`). A class imports neither torch nor onnx: it writes text, and calls a builder that is handed in.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple, TypeVar

from caffe2py.errors import CaffeError
from caffe2py.proto.prototxt import Unknown
from caffe2py.proto.schema import LAYER, field_default

Shape = tuple[int, ...]


class Misfit(Exception):
    """What a layer finds wrong with its bottoms or parameters; the graph adds the layer's name and place."""


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


@dataclass(frozen=True)
class Params:
    """The parameters one layer was given: its message, and the fields that the schema does not know."""

    message: Any
    unknown: tuple[Unknown, ...] = ()

    def has(self, path: str) -> bool:
        """Is the field set? A repeated field is set when it has an element."""
        values = self._walk(path)
        return bool(values)

    def get(self, path: str, default: Any = None) -> Any:
        """The value of a singular field: the one given, else the schema's default, else `default`."""
        values = self._walk(path)
        if values:
            return values[-1]
        return default if default is not None else schema_default(path)

    def all(self, path: str) -> tuple[Any, ...]:
        """Every value of a repeated field, in order."""
        return tuple(self._walk(path))

    def _walk(self, path: str) -> list[Any]:
        message = self.message
        *parents, last = path.split(".")
        for parent in parents:
            field = message.DESCRIPTOR.fields_by_name.get(parent)
            if field is None:
                return [u.value for u in self.unknown if u.path == path]
            if not message.HasField(parent):
                message = None
                break
            message = getattr(message, parent)
        if message is not None:
            field = message.DESCRIPTOR.fields_by_name.get(last)
            if field is not None:
                if field.is_repeated:
                    values = list(getattr(message, last))
                else:
                    values = [getattr(message, last)] if message.HasField(last) else []
                if field.enum_type is not None:
                    values = [field.enum_type.values_by_number[v].name for v in values]
                return [_float32(v) if isinstance(v, float) else v for v in values]
        return [u.value for u in self.unknown if u.path == path]


def schema_default(path: str) -> Any:
    """The schema's default of a field, None for a field that the schema does not know."""
    message: Any = LAYER
    *parents, last = path.split(".")
    for parent in parents:
        field = message.fields_by_name.get(parent)
        if field is None:
            return None
        message = field.message_type
    if last not in message.fields_by_name:
        return None
    value = field_default(path)
    return _float32(value) if isinstance(value, float) else value


def _float32(value: float) -> float:
    """The shortest decimal that means the same float32: a prototxt's 0.1 stays 0.1 in what is emitted."""
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return float(text)
    return value


def param(path: str, default: Any = None) -> Any:
    """A dataclass field that is filled from the layer's message at `path`.

    Its default is the schema's, so that each default stands once; `default` is for fields of custom
    layers, which the schema does not know. A repeated field becomes a tuple.
    """
    value = schema_default(path)
    return dataclasses.field(default=default if value is None else value, metadata={"path": path})


def optional(path: str) -> Any:
    """Like `param`, but None where the field is not set: for fields whose presence alone means something."""
    return dataclasses.field(default=None, metadata={"path": path, "optional": True})


def top_count() -> Any:
    """A dataclass field that holds how many tops the layer names, for types whose tops are optional; at least 1."""
    return dataclasses.field(default=1, metadata={"tops": True})


class Layer:
    """Base of all layer types. A subclass is a frozen dataclass made by the `layer` decorator."""

    type: ClassVar[str] = ""
    bottoms: ClassVar[Count] = Count(1, 1)
    tops: ClassVar[Count] = Count(1, 1)
    same_count: ClassVar[bool] = False  # as many tops as bottoms
    is_input: ClassVar[bool] = False  # its tops are the net's inputs
    is_loss: ClassVar[bool] = False  # its first top weighs 1 in the objective where nothing is said
    auto_tops: ClassVar[bool] = False  # tops that the prototxt leaves out are made without a name
    idle: ClassVar[bool] = False  # its tops are its bottom
    time_first: ClassVar[bool] = False  # its blobs are (time, batch, ...)
    in_place: ClassVar[bool] = True  # a top may have the name of its bottom
    fillers: ClassVar[Mapping[str, Filler]] = {}  # by the names of `weights`; a blob that is not here starts as 0
    running: ClassVar[bool] = False  # its blobs are statistics that are kept, not parameters that are learned

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

    def torch(self, em: Any, *bottoms: Any) -> str | Sequence[str]:
        """Source text: one expression for each top. `em` declares modules and parameters and names helpers."""
        raise Misfit(f"{self.type} has no torch view")

    def onnx(self, g: Any, *bottoms: Any) -> Any:
        """Nodes added to the builder `g`; returns the value of each top."""
        raise Misfit(f"{self.type} has no ONNX view")

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Multiply-adds of one forward pass; 0 for layers that only move or compare values."""
        return 0

    def summary(self) -> str:
        """The parameters that differ from their defaults, in a few words."""
        words = []
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if value != f.default and not f.metadata.get("tops"):
                words.append(f"{f.name} {_words(value)}")
        return ", ".join(words)


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(_words(v) for v in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_fields(cls: type, params: Params) -> dict[str, Any]:
    """The dataclass fields of `cls` that name a path or count the tops, read from a layer's parameters."""
    values: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        path = f.metadata.get("path")
        if f.metadata.get("tops"):
            values[f.name] = max(len(params.message.top), 1)
        if path is None:
            continue
        if isinstance(f.default, tuple):
            values[f.name] = params.all(path) or f.default
        elif params.has(path) or not f.metadata.get("optional"):
            values[f.name] = _like(f.default, params.get(path, f.default), path)
    return values


def _like(default: Any, value: Any, path: str) -> Any:
    """The value of a custom layer's field as its default's type: a float may be written 1, a bool 0 or 1."""
    kind = type(default)
    if default is None or value is None or isinstance(value, kind):
        return value
    if type(value) is int and (kind is float or (kind is bool and value in (0, 1))):
        return kind(value)
    raise Misfit(f"{path} is {value!r}; want {_KINDS.get(kind, kind.__name__)}")


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


# The registry

_TYPES: dict[str, type[Layer]] = {}
L = TypeVar("L", bound=type)


def layer(
    name: str,
    *,
    bottoms: int | tuple[int, int | None] = 1,
    tops: int | tuple[int, int | None] | str = 1,
    loss: bool = False,
    is_input: bool = False,
    running: bool = False,
    in_place: bool = True,
) -> Callable[[L], L]:
    """Register the class as the Caffe layer type `name`, and make it a frozen dataclass.

    `bottoms` and `tops` are a number or a (low, high) pair; tops="same" means as many as bottoms. A `loss`
    weighs 1 in the objective unless its prototxt says otherwise, and makes its own top where none is named.
    """

    def register(cls: L) -> L:
        if name in _TYPES:
            raise CaffeError(f'layer type "{name}" is registered twice: by {_origin(_TYPES[name])} and {_origin(cls)}')
        made: Any = dataclass(frozen=True)(cls)
        made.type = name
        made.bottoms = _count(bottoms)
        made.same_count = tops == "same"
        made.tops = Count(0, None) if isinstance(tops, str) else _count(tops)
        made.is_loss = loss
        made.auto_tops = loss
        made.is_input = is_input
        made.running = running
        made.in_place = in_place
        _TYPES[name] = made
        return made

    return register


def _count(n: int | tuple[int, int | None]) -> Count:
    return Count(n, n) if isinstance(n, int) else Count(*n)


def _origin(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def layer_types() -> Mapping[str, type[Layer]]:
    """Every known layer type by its Caffe name: ours, and those of installed packages.

    Ours are the files of this folder; an outside package names a module of its own in the entry-point
    group `caffe2py.layers`.
    """
    _discover_ours()
    _discover_installed()
    return _TYPES


def find_layer(name: str) -> type[Layer] | None:
    """The class of a Caffe layer type, None where there is none.

    A type is looked for in the file that bears its name, then in all of ours, then in other packages: a net
    loads the files of its own types only.
    """
    steps = (lambda: _import_file(name), _discover_ours, _discover_installed)
    for step in steps:
        if name in _TYPES:
            break
        step()
    return _TYPES.get(name)


@cache
def _files() -> Mapping[str, str]:
    """The files of this folder by their name without underscores: InnerProduct is in inner_product.py."""
    package = importlib.import_module("caffe2py.layers")
    return {module.name.replace("_", ""): module.name for module in pkgutil.iter_modules(package.__path__)}


def _import_file(type_: str) -> None:
    file = _files().get(type_.lower())
    if file:
        importlib.import_module(f"caffe2py.layers.{file}")


@cache
def _discover_ours() -> None:
    for file in _files().values():
        importlib.import_module(f"caffe2py.layers.{file}")


@cache
def _discover_installed() -> None:
    import importlib.metadata

    for entry in importlib.metadata.entry_points(group="caffe2py.layers"):
        entry.load()


# Words that the layer files share


def axis(index: int, shape: Shape, what: str = "axis") -> int:
    """A Caffe axis, where -1 is the last, as an index from 0."""
    n = len(shape)
    if not -n <= index < n:
        raise Misfit(f"{what} {index} is outside a bottom of shape {text(shape)}; want {-n} to {n - 1}")
    return index % n


def float32(value: float) -> float:
    """The float32 nearest to a number: for what Caffe computes in single precision."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def text(shape: Shape | None) -> str:
    """A shape as Python prints it, `?` where it is not known."""
    return "?" if shape is None else f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def count(shape: Shape, start: int = 0, end: int | None = None) -> int:
    """The product of the dimensions from `start` to before `end`."""
    product = 1
    for d in shape[start:end]:
        product *= d
    return product


def same(shapes: Sequence[Shape], why: str) -> None:
    """`Misfit` unless all shapes are equal."""
    for i, s in enumerate(shapes):
        if s != shapes[0]:
            raise Misfit(f"bottom {i} {text(s)} differs from bottom 0 {text(shapes[0])}; {why}")


def one_each(word: str, values: Sequence[Any], tops: int) -> tuple[Any, ...]:
    """One value for each top, of one for all or one for each; () where none are given."""
    if len(values) not in (0, 1, tops):
        raise Misfit(f"gives {len(values)} {word} for {tops} tops; want 1, or one for each")
    return tuple(values) * tops if len(values) == 1 else tuple(values)


def affine(x: Any, scale: float, shift: float) -> str:
    """The text of `scale * x + shift`, without a factor of 1 and a term of 0."""
    product = str(x) if scale == 1 else f"{scale} * {x}"
    return f"{product} {'-' if shift < 0 else '+'} {abs(shift)}" if shift else product


def affine_nodes(g: Any, x: Any, scale: float, shift: float) -> Any:
    """`affine` in ONNX."""
    product = x if scale == 1 else g.op("Mul", x, float(scale))
    return g.op("Add", product, float(shift)) if shift else product


def number(value: float) -> str:
    """A number as Python text, also an infinite one and NaN."""
    return str(value) if math.isfinite(value) else f'float("{value}")'


def plain(values: Sequence[int]) -> Any:
    """(3, 3) as 3, (3, 2) as itself: how torch calls are written by hand."""
    return values[0] if len(set(values)) == 1 else tuple(values)
