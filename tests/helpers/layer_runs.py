"""Running nets of a few layers: as Caffe ran the recorded cases, and in float64 for the tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from caffe2py.backends.torch.run import Runner, input_tensors, runner
from caffe2py.graph import Graph, Value
from tests.helpers.layer_cases import Arrays, Case

STYLES = ("exact", "flat")

# Both sides add in float32, in other orders: a sum of n products errs by about sqrt(n) * 6e-8 of the largest term.
FORWARD = 1e-5
BACKWARD = 1e-4
EXACT = 1e-12  # both sides compute in float64


def forward(
    case: Case, made: Runner, requires_grad: bool = False
) -> tuple[dict[str, torch.Tensor], Arrays, torch.Tensor]:
    """Inputs, every blob at the end, and the objective that Caffe differentiates."""
    inputs = input_tensors(made.program.graph, case.inputs, torch.float32)
    if requires_grad:
        inputs = {name: x.requires_grad_() for name, x in inputs.items()}
    values: dict[Value, torch.Tensor] = {}
    blobs: dict[str, torch.Tensor] = {}
    objective = torch.zeros(())
    for node, tops in made.steps(inputs):
        for i, (v, top) in enumerate(zip(node.tops, tops, strict=True)):
            blobs[v.blob] = values[v] = top
            if i < len(node.loss_weights) and node.loss_weights[i]:
                objective = objective + node.loss_weights[i] * top.sum()
    graph = made.program.graph
    blobs.update({name: values[v] for name, v in zip(graph.outputs, graph.results, strict=True)})
    for name, diff in case.top_diff.items():
        objective = objective + (blobs[name] * torch.from_numpy(diff)).sum()
    return inputs, {name: x.detach().numpy() for name, x in blobs.items()}, objective


def computed(graph: Graph, bottoms: Sequence[np.ndarray], style: str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The bottoms as leaves, and the tops, in float64."""
    made = runner(graph, style, dtype=torch.float64)
    given = input_tensors(graph, {f"x{i}": x for i, x in enumerate(bottoms)}, torch.float64)
    leaves = {name: x.requires_grad_() for name, x in given.items()}
    tops = made.module(*leaves.values())
    return list(leaves.values()), [tops] if isinstance(tops, torch.Tensor) else list(tops)
