"""The files of somebody else's translation that can be run: ONNX, and programs of torch.export."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe2py.errors import FileError, first_line
from caffe2py.proto.disk.damage import reason

PORTION = 64  # values that one run is asked for


@dataclass(frozen=True)
class OnnxRuns:
    """An ONNX file; `session` shows all its values as outputs, its own first."""

    path: Path
    session: Any
    outputs: Sequence[str]

    @property
    def inputs(self) -> Sequence[Sequence[object]]:
        return [i.shape for i in self.session.get_inputs()]

    def values(self, inputs: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        fed = {i.name: x for i, x in zip(self.session.get_inputs(), inputs, strict=True)}
        names = [o.name for o in self.session.get_outputs()]
        for start in range(0, len(names), PORTION):
            part = names[start : start + PORTION]
            try:
                made = self.session.run(part, fed)
            except Exception as error:  # onnxruntime's own kinds
                raise FileError(f"cannot run: {first_line(error)}", str(self.path)) from None
            yield from ((name, value) for name, value in zip(part, made, strict=True) if isinstance(value, np.ndarray))


@contextmanager
def plain_pickles() -> Iterator[None]:
    """torch reads no pickle that calls anything: where one is refused, torch.export would read it again and call."""
    force, free = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # torch takes one of them alone
    before = {name: os.environ.pop(name, None) for name in (force, free)}
    os.environ[force] = "1"
    try:
        yield
    finally:
        del os.environ[force]
        os.environ.update({name: value for name, value in before.items() if value is not None})


@dataclass(frozen=True)
class ExportedRuns:
    """A program that torch.export wrote. It is run: torch works out the expressions that stand in the file."""

    path: Path

    @cached_property
    def module(self) -> Any:
        try:
            with plain_pickles():
                return torch.export.load(str(self.path)).module()
        except OSError as error:
            raise FileError(reason(error), str(self.path)) from None
        except Exception as error:  # torch raises many kinds here
            raise FileError(
                f"does not load as a program of torch.export: {first_line(error)}", str(self.path)
            ) from None

    @cached_property
    def inputs(self) -> Sequence[Sequence[object]]:
        nodes = [n for n in self.module.graph.nodes if n.op == "placeholder"]
        return [[d if isinstance(d, int) else str(d) for d in n.meta["val"].shape] for n in nodes]

    @cached_property
    def outputs(self) -> Sequence[str]:
        (end,) = (n for n in self.module.graph.nodes if n.op == "output")
        made = end.args[0]
        return [n.name for n in (made if isinstance(made, (tuple, list)) else [made])]

    def values(self, inputs: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        found: list[tuple[str, np.ndarray]] = []

        class Watched(torch.fx.Interpreter):
            def run_node(self, n: torch.fx.Node) -> Any:
                made = super().run_node(n)
                if n.op.startswith("call") and isinstance(made, torch.Tensor):
                    found.append((n.name, made.numpy().copy()))
                return made

        try:
            with torch.no_grad():
                Watched(self.module).run(*map(torch.from_numpy, inputs))
        except (RuntimeError, ValueError, IndexError) as error:
            raise FileError(f"cannot run on this input: {first_line(error)}", str(self.path)) from None
        yield from found
