"""The helper functions that an emitted file may need, as text: our own, and those of outside layers."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from caffe2py.backends.names import Namer
from caffe2py.backends.torch.writing.syntax import module_of
from caffe2py.layers.base import Misfit

PROVIDED = frozenset({"torch", "F", "nn", "Tensor"})  # what an emitted file imports


@dataclass(frozen=True)
class Function:
    text: str
    needs: tuple[str, ...]  # other functions that it calls, in order of use


def _files(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda f: f.name):
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name.endswith(".py"):
            yield entry


@cache
def functions() -> Mapping[str, Function]:
    """The functions of `torch/functions` as text; the files are read, not imported."""
    defined: dict[str, tuple[str, ast.AST]] = {}
    for file in _files(resources.files("caffe2py.backends.torch.functions")):
        text = file.read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        for node in module_of(text).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                start = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
                defined[node.name] = ("".join(lines[start : node.end_lineno]), node)

    def needs(name: str) -> list[str]:
        words = [n.id for n in ast.walk(defined[name][1]) if isinstance(n, ast.Name)]
        used = [word for word in words if word in defined and word != name]
        return list(dict.fromkeys(word for u in used for word in (*needs(u), u)))

    return {name: Function(text, tuple(needs(name))) for name, (text, _) in defined.items()}


def foreign_function(function: Callable[..., Any]) -> tuple[str, list[Callable[..., Any]]]:
    """The text of an outside layer's function or class, and those of its file that it uses.

    Raises `Misfit` where it uses anything of its file that the output does not have.
    """
    text = textwrap.dedent(inspect.getsource(function))
    file = vars(sys.modules[function.__module__])
    words = dict.fromkeys(n.id for n in ast.walk(module_of(text)) if isinstance(n, ast.Name))
    used = {w: file[w] for w in words if w in file and w not in PROVIDED and file[w] is not function}
    own = {w: f for w, f in used.items() if getattr(f, "__module__", None) == function.__module__ and callable(f)}
    if strangers := [w for w in used if w not in own]:
        named = ", ".join(strangers)
        raise Misfit(f"its function {function.__name__} uses {named}; want torch, F, nn and Tensor alone")
    return text, list(own.values())


class Helpers:
    """The functions that are copied into a file, with those that they call."""

    def __init__(self, namer: Namer) -> None:
        self._namer = namer
        self._texts: dict[str, str] = {}
        self._foreign: dict[Callable[..., Any], str] = {}  # functions of outside layers, by their name in the text

    def use(self, function: str | Callable[..., Any]) -> str:
        """Have a function's text in the file; returns its name there."""
        if callable(function):
            return self._use_foreign(function)
        known = functions()
        for word in (*known[function].needs, function):
            self._texts[word] = known[word].text
        return function

    def _use_foreign(self, function: Callable[..., Any]) -> str:
        """As `use`, for a function of an outside layer: it takes another name where its own is taken."""
        if function not in self._foreign:
            self._foreign[function] = name = self._namer(function.__name__)
            text, needs = foreign_function(function)
            renamed = {function.__name__: name, **{f.__name__: self._use_foreign(f) for f in needs}}
            for old, new in renamed.items():
                text = re.sub(rf"\b{old}\b", new, text)
            self._texts[name] = text
        return self._foreign[function]

    def text(self) -> str:
        """Their text, each after two blank lines."""
        return "".join(f"\n\n{text.rstrip()}\n" for text in self._texts.values())
