"""A layer's torch text, ready to run: its modules and parameters are made as the text asks for them."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from caffe2py.backends.torch import functions
from caffe2py.backends.torch.writing.emitter import called, expressions
from caffe2py.backends.torch.writing.text import sizes
from caffe2py.graph import Node
from caffe2py.layers.base import Convert, Shape, Term
from caffe2py.layers.base.layer import Layer

Function = Callable[..., Sequence[Tensor]]


@cache
def helpers() -> Mapping[str, Any]:
    """The functions that layers' texts may call, by name, and torch's own names."""
    found: dict[str, Any] = {"torch": torch, "F": F, "nn": nn, "Tensor": Tensor, "inf": math.inf, "nan": math.nan}
    for file in pkgutil.walk_packages(functions.__path__, f"{functions.__name__}."):
        module = importlib.import_module(file.name)
        found |= {name: value for name, value in vars(module).items() if callable(value)}
    return found


class LiveEmitter:
    """What a layer's `torch` method is handed. What its text names ends up in `names`."""

    def __init__(self, node: Node, parameters: Sequence[Tensor], tops: Sequence[Shape], training: bool) -> None:
        self.names: dict[str, Any] = {"self": SimpleNamespace(training=training)}
        self._tops = list(tops)
        self._weights = node.weights
        self._parameters = parameters
        self._training = training

    @property
    def training(self) -> str:
        return str(self._training)

    @property
    def tops(self) -> list[Shape]:
        return self._tops

    def _name(self, kind: str, held: Any) -> str:
        name = f"{kind}{len(self.names)}"
        self.names[name] = held
        return name

    def _blobs(self) -> list[np.ndarray]:
        return [p.detach().cpu().numpy() for p in self._parameters]

    def module(self, expression: str, **state: int | Convert) -> str:
        """The name of a new module whose parameters are the layer's own."""
        with torch.device("meta"):
            made = eval(expression, dict(helpers()))  # the layer's own text
        made.train(self._training)
        views = {}
        for key, source in state.items():
            if callable(source):
                made._buffers[key] = torch.from_numpy(source(self._blobs()))
            elif self._parameters[source].shape == self._weights[source].shape:
                made._parameters[key] = self._parameters[source]
            else:
                views[key] = self.parameter(source)
                made._parameters[key] = None
        name = self._name("m", made)
        return self.call("WithParameters", name, *(f"{k}={view}" for k, view in views.items())) if views else name

    def parameter(self, index: int) -> str:
        """The text of the layer's blob `index`, in the layer's own shape."""
        held, shape = self._parameters[index], self._weights[index].shape
        name = self._name("p", held)
        return name if held.shape == shape else f"{name}.view({sizes(shape)})"

    def buffer(self, name: str, shape: Shape, source: Convert) -> str:
        """The name of a constant array."""
        return self._name("b", torch.from_numpy(np.asarray(source(self._blobs()), np.float32)))

    def call(self, function: str | Callable[..., Any], *args: Any, **settings: Any) -> str:
        """The text of a call."""
        return called(function if isinstance(function, str) else self._name("f", function), args, settings)


def function_of(
    layer: Layer,
    node: Node,
    parameters: Sequence[Tensor],
    bottoms: Sequence[Shape],
    tops: Sequence[Shape],
    training: bool,
) -> Function:
    """The layer's text as a function of its bottoms, which gives a sequence of its tops."""
    emitter = LiveEmitter(node, parameters, tops, training)
    terms = [Term(f"x{i}", shape) for i, shape in enumerate(bottoms)]
    said = expressions(layer.torch(emitter, *terms), len(tops))
    body = f"({''.join(f'{e}, ' for e in said)})" if len(said) == len(tops) else said[0]
    text = f"lambda {', '.join(terms)}: {body}"
    made: Function = eval(compile(text, f"<layer {node.name}>", "eval"), {**helpers(), **emitter.names})
    return made
