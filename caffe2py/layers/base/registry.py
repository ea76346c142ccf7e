"""The registry: every layer type by its Caffe name, found by the file that bears it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from caffe2py.errors import CaffeError
from caffe2py.layers.base.layer import Count, Layer

_TYPES: dict[str, type[Layer]] = {}
L = TypeVar("L", bound=type)


def layer(
    name: str,
    *,
    bottoms: int | tuple[int, int | None] = 1,
    tops: int | tuple[int, int | None] | str = 1,
    loss: bool = False,
    is_input: bool = False,
    in_place: bool = True,
    fork: str = "",
    formula: bool = False,
) -> Callable[[L], L]:
    """Register the class as the Caffe layer type `name`, and make it a frozen dataclass.

    `bottoms` and `tops` are a number or a (low, high) pair; tops="same" means as many as bottoms. A `loss`
    weighs 1 in the objective unless its prototxt says otherwise, and makes its own top where none is named.
    `fork` says whose the type is, where it is not Caffe's own; `formula` that nobody has recorded it.
    """
    words: dict[str, Any] = {"bottoms": bottoms, "tops": tops, "loss": loss, "is_input": is_input}
    finish = _finish(name, **words, in_place=in_place, fork=fork, formula=formula)

    def register(cls: L) -> L:
        if name in _TYPES:
            raise CaffeError(f'layer type "{name}" is registered twice: by {_origin(_TYPES[name])} and {_origin(cls)}')
        made = finish(cls)
        _TYPES[name] = made
        return made

    return register


def meaning(
    name: str,
    *,
    bottoms: int | tuple[int, int | None] = 1,
    tops: int | tuple[int, int | None] | str = 1,
    in_place: bool = True,
    fork: str = "",
    formula: bool = False,
    words: tuple[str, ...] = (),
    blobs: tuple[int, ...] = (),
) -> Callable[[L], L]:
    """As `layer`, for one of the things that a type's name means: the class that is registered (`Several`) lists it.

    `words` are the fields that it alone has, `blobs` how many learned blobs it may have.
    """
    finish = _finish(name, bottoms=bottoms, tops=tops, in_place=in_place, fork=fork, formula=formula)

    def register(cls: L) -> L:
        made: Any = finish(cls)
        made.one_of = True
        made.words = words
        made.blob_counts = blobs
        finished: L = made
        return finished

    return register


def _finish(
    name: str,
    *,
    bottoms: int | tuple[int, int | None],
    tops: int | tuple[int, int | None] | str,
    in_place: bool,
    fork: str,
    formula: bool,
    loss: bool = False,
    is_input: bool = False,
) -> Callable[[L], L]:
    def finish(cls: L) -> L:
        made: Any = dataclass(frozen=True)(cls)
        made.type = name
        made.bottoms = _count(bottoms)
        made.same_count = tops == "same"
        made.tops = Count(0, None) if isinstance(tops, str) else _count(tops)
        made.is_loss = loss
        made.auto_tops = loss
        made.is_input = is_input
        made.in_place = in_place
        made.fork = fork
        made.formula = formula
        finished: L = made
        return finished

    return finish


def _count(n: int | tuple[int, int | None]) -> Count:
    return Count(n, n) if isinstance(n, int) else Count(*n)


def _origin(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def layer_types() -> Mapping[str, type[Layer]]:
    """Every known layer type by its Caffe name: ours, and those of installed packages.

    Ours are the files of the families beside this folder; an outside package names a module of its own in the
    entry-point group `caffe2py.layers`.
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
    """The modules of the families by their file's name without underscores: InnerProduct is in inner_product.py."""
    layers = importlib.import_module("caffe2py.layers")
    modules = pkgutil.walk_packages(layers.__path__, "caffe2py.layers.")
    return {m.name.rpartition(".")[2].replace("_", ""): m.name for m in modules if not m.ispkg}


def _import_file(type_: str) -> None:
    file = _files().get(type_.lower())
    if file:
        importlib.import_module(file)


@cache
def _discover_ours() -> None:
    for file in _files().values():
        importlib.import_module(file)


@cache
def _discover_installed() -> None:
    import importlib.metadata

    for entry in importlib.metadata.entry_points(group="caffe2py.layers"):
        entry.load()
