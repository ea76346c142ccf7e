"""A converted `.py` as something to verify: its own module and its own lines, one layer after another."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from caffe2py.backends.torch.device import CPU
from caffe2py.backends.torch.run import Runner
from caffe2py.backends.torch.source import STYLES, program
from caffe2py.backends.torch.writing.program import Program, Step
from caffe2py.backends.torch.writing.syntax import module_of
from caffe2py.errors import FileError
from caffe2py.frontends.tensors.torch_files import torch_load
from caffe2py.graph import Graph
from caffe2py.proof.models.edited_py import EditedPy
from caffe2py.proof.models.model import Model, TorchModel
from caffe2py.proto.disk.damage import reason

WISH = "want the weights that convert wrote beside the .py"


def read_py(graph: Graph, path: Path, device: torch.device = CPU) -> Model:
    """What runs as a `.py` says that `convert` wrote of this net.

    A file that is still as it was written is not run: its text is ours. One that was edited is; it must say its style
    where it did, and in the flat and the exact style must have kept the variables of its `forward` in their order.
    Raises `FileError` for any other file.
    """
    try:
        text = path.read_text(encoding="utf-8")
        lines = _forward(text)
    except OSError as error:
        raise FileError(reason(error), str(path)) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FileError(f"is no Python source ({error})", str(path)) from None
    for style in STYLES:
        made = program(graph, style, path.with_suffix(".pth").name)
        if made.source == text:
            return TorchModel(path.name, graph, style, _weights(path.with_suffix(".pth")), device=device)
        steps = _steps(made, lines)
        if steps is not None:
            held = Runner(replace(made, steps=steps), _module(path))
            return TorchModel(path.name, graph, style, made=held, device=device)
    if "readable style" in (ast.get_docstring(module_of(text)) or ""):
        return EditedPy(path.name, graph, _module(path).to(device), device)
    raise FileError(
        f'is not what convert writes of net "{graph.name}"; want its forward to keep its variables', str(path)
    )


def _forward(text: str) -> list[ast.stmt]:
    """The statements of the last `forward` in a file: those of the net's class."""
    found = [n for n in ast.walk(module_of(text)) if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    return found[-1].body if found else []


def _steps(made: Program, lines: Sequence[ast.stmt]) -> tuple[Step, ...] | None:
    """Our steps with the file's statements in them; None where the two assign other variables."""
    rest = [line for line in lines if not isinstance(line, ast.Return)]
    steps = []
    for step in made.steps:
        own = module_of("\n".join(step.lines)).body
        taken, rest = rest[: len(own)], rest[len(own) :]
        if list(map(_targets, own)) != list(map(_targets, taken)):
            return None
        steps.append(replace(step, lines=tuple(ast.unparse(line) for line in taken)))
    return None if rest else tuple(steps)


def _targets(line: ast.stmt) -> list[str]:
    return [ast.unparse(target) for target in line.targets] if isinstance(line, ast.Assign) else [ast.unparse(line)]


def _weights(path: Path) -> Mapping[str, torch.Tensor]:
    state = torch_load(path, WISH)
    if not isinstance(state, dict) or not all(isinstance(t, torch.Tensor) for t in state.values()):
        raise FileError(f"holds no tensors by names; {WISH}", str(path))
    return state


def _module(path: Path) -> torch.nn.Module:
    spec = importlib.util.spec_from_file_location(f"caffe2py_verified_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(made)
        module: torch.nn.Module = made.load()
    except Exception as error:  # whatever an edited file raises
        raise FileError(f"does not load: {type(error).__name__}: {error}", str(path)) from error
    return module
