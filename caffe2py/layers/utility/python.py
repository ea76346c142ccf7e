"""Python: a layer whose code stands in a Python module that its net names. The module is never imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from caffe2py.layers.base import Layer, Params, find_layer, layer
from caffe2py.layers.base.opaque import Opaque

L = TypeVar("L", bound=type)


@layer("Python", bottoms=(0, None), tops=(0, None))
class Python(Layer):
    """What the class `layer` of the Python module `module` computes, by the parameters in `param_str`.

    Not known until a class is registered for that module and layer with `python_layer`. Source: python_layer.hpp.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        found = class_of(params.message)
        return Opaque("Python", _named(params.message)) if found is None else found.read(params)


def class_of(message: Any) -> type[Layer] | None:
    """The class of a layer by its type, of a Python layer by its module and layer; None where there is none."""
    return find_layer(f"Python {_named(message)}" if message.type == "Python" else message.type)


def _named(message: Any) -> str:
    return f"{message.python_param.module}.{message.python_param.layer}"


def python_layer(module: str, name: str, **counts: Any) -> Callable[[L], L]:
    """Register the class for layers of type "Python" with that module and layer; `counts` are those of `layer`.

    `@python_layer("rpn.proposal_layer", "ProposalLayer", bottoms=3)`. Its text of parameters is the field
    `param("python_param.param_str")`.
    """

    def register(cls: L) -> L:
        made: Any = layer(f"Python {module}.{name}", **counts)(cls)
        made.type = "Python"
        return made

    return register
