"""Every layer type against what Caffe recorded: values, gradients, and statistics after a training step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffe2py.backends.torch.run import runner
from tests.helpers.absent import each
from tests.helpers.layer_cases import Case, layer_cases, random_cases, relative
from tests.helpers.layer_runs import BACKWARD, FORWARD, STYLES, forward

CASES = [*layer_cases(), *random_cases()]
GRADIENTS = [c for c in CASES if c.in_diff or c.param_diff]
DIFFERENTIATED = [c for c in GRADIENTS if c.runs_backward()]

both_styles = pytest.mark.parametrize("style", STYLES)


def every(cases: list[Case]) -> pytest.MarkDecorator:
    return each("case", cases, "recorded layers", ids=lambda case: case.id)


@both_styles
@every(CASES)
def test_forward(case: Case, style: str) -> None:
    graph = case.graph()
    assert list(graph.outputs) == case.outputs
    made = runner(graph, style)
    _, blobs, _ = forward(case, made)
    wanted = case.tops if style == "exact" else {name: case.tops[name] for name in graph.outputs}
    errors = {name: relative(blobs[name], top) for name, top in wanted.items() if name in blobs}
    assert errors and max(errors.values()) <= FORWARD, errors


@every(CASES)
def test_shapes(case: Case) -> None:
    """What is said about a net without running it; how much is found or kept cannot be."""
    graph = case.graph()
    for blob, v in zip(graph.outputs, graph.results, strict=True):
        said, made = list(graph.shapes[v]), list(case.tops[blob].shape)
        if (axis := graph.makers[v].layer.measured) is not None:
            assert made.pop(axis) <= said.pop(axis)
        assert said == made


@pytest.mark.parametrize("case", [c for c in GRADIENTS if c not in DIFFERENTIATED], ids=lambda case: case.id)
def test_caffe_runs_no_layer_backward_in_a_net_without_a_loss(case: Case) -> None:
    assert not any(diff.any() for diff in case.param_diff.values())


@both_styles
@every(DIFFERENTIATED)
def test_backward(case: Case, style: str) -> None:
    made = runner(case.graph(), style)
    inputs, _, objective = forward(case, made, requires_grad=True)
    if objective.requires_grad:  # a constant top has no gradient
        objective.backward()
    errors = {f"in_diff {n}": relative(_grad(inputs[n]), diff) for n, diff in case.in_diff.items()}
    parameters = dict(made.module.named_parameters())
    owners = {}
    for key, binding in made.program.bindings.items():
        if key in parameters and binding.owner:
            owners.setdefault(binding.owner, parameters[key])
    for name, diff in case.param_diff.items():
        layer, index = name.rsplit("/", 1)
        if (layer, int(index)) in owners:
            grad = _grad(owners[layer, int(index)])
            errors[f"param_diff {name}"] = relative(grad.reshape(diff.shape), diff)
        elif style == "exact":
            # Statistics are no parameters: Caffe leaves their gradient at 0. A shared blob's is kept at its owner.
            shared = [w.owner for n in made.program.graph.nodes if n.name == layer for w in n.weights]
            assert not diff.any() or shared[int(index)] != (layer, int(index)), name
    assert errors and max(errors.values()) <= BACKWARD, errors


@every([c for c in CASES if c.param_after])
def test_after_a_training_step(case: Case) -> None:
    made = runner(case.graph(), "exact")
    forward(case, made)
    state = made.module.state_dict()
    for key, binding in made.program.bindings.items():
        name = f"{binding.node.name}/{binding.source}"
        if name in case.param_after:
            assert relative(state[key].numpy(), case.param_after[name]) <= FORWARD, name


def _grad(x: torch.Tensor) -> np.ndarray:
    return np.zeros(x.shape, np.float32) if x.grad is None else x.grad.numpy()
