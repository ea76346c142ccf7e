"""The fixed parts of an emitted file: its frame, and the helper functions it may need."""

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

from caffe2py.backends.names import RESERVED, spelled
from caffe2py.errors import LONGEST, shown
from caffe2py.layers.base import Misfit, Shape

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
    """The helper functions of the folder torch_functions as text; the files are read, not imported."""
    defined: dict[str, tuple[str, ast.AST]] = {}
    for file in _files(resources.files("caffe2py.backends.torch.functions")):
        text = file.read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        for node in ast.parse(text).body:
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
    words = dict.fromkeys(n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name))
    used = {w: file[w] for w in words if w in file and w not in PROVIDED and file[w] is not function}
    own = {w: f for w, f in used.items() if getattr(f, "__module__", None) == function.__module__ and callable(f)}
    if strangers := [w for w in used if w not in own]:
        named = ", ".join(strangers)
        raise Misfit(f"its function {function.__name__} uses {named}; want torch, F, nn and Tensor alone")
    return text, list(own.values())


def class_name(net: str) -> str:
    """The net's name as a class: `SE-ResNet-50` as `SEResNet50`, `path` as `PathNet`, since the file has a `Path`."""
    words = re.findall(r"[A-Za-z0-9]+", spelled(net))
    name = "".join(w[0].upper() + w[1:] for w in words) or "Net"
    name = f"Net{name}" if name[0].isdigit() else name
    return f"{name}Net" if name in {*RESERVED, *functions(), "Module"} else name


# Attributes of nn.Module that a layer's name must not hide.
MODULE_NAMES = (
    "T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches "
    "eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict "
    "modules mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook "
    "register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook "
    "register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ "
    "set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu zero_grad"
).split()


def in_docstring(text: str, most: int = LONGEST) -> str:
    """A text that ends no docstring, and in which no backslash means anything."""
    return shown(text, most).replace("\\", "\\\\").replace('"', "'")


def shape_lines(shapes: Mapping[str, Shape | None]) -> str:
    lines = [f"{in_docstring(blob)} {shape if shape is not None else 'of any shape'}" for blob, shape in shapes.items()]
    return ", ".join(lines) or "none"
