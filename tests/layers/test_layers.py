"""Every layer type against what Caffe recorded: values, gradients, and statistics after a training step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffe2py.backends.torch.run import Runner, input_tensors, runner
from caffe2py.graph import Value
from tests.helpers.layer_cases import REFERENCE, Arrays, Case, read_cases, relative

CASES = list(read_cases(REFERENCE / "layers"))
STYLES = ("exact", "flat")

# Both sides add in float32, in other orders: a sum of n products errs by about sqrt(n) * 6e-8 of the largest term.
FORWARD = 1e-5
BACKWARD = 1e-4


def all_cases(test):  # type: ignore[no-untyped-def]
    if not CASES:
        return pytest.mark.skip(reason="no ../shared/reference/layers")(test)
    return pytest.mark.parametrize("style", STYLES)(
        pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)(test)
    )


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


@all_cases
def test_forward(case: Case, style: str) -> None:
    graph = case.graph()
    assert list(graph.outputs) == case.outputs
    made = runner(graph, style)
    _, blobs, _ = forward(case, made)
    wanted = case.tops if style == "exact" else {name: case.tops[name] for name in graph.outputs}
    errors = {name: relative(blobs[name], top) for name, top in wanted.items() if name in blobs}
    assert errors and max(errors.values()) <= FORWARD, errors


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_shapes(case: Case) -> None:
    """What is said about a net without running it; how many samples a Filter keeps cannot be."""
    graph = case.graph()
    for blob, v in zip(graph.outputs, graph.results, strict=True):
        known = 1 if graph.makers[v].type == "Filter" else 0
        assert graph.shapes[v][known:] == case.tops[blob].shape[known:]


@all_cases
def test_backward(case: Case, style: str) -> None:
    if not case.in_diff and not case.param_diff:
        pytest.skip("Caffe recorded no backward pass")
    graph = case.graph()
    if not graph.net.message.force_backward and not any(w for n in graph.nodes for w in n.loss_weights):
        assert not any(diff.any() for diff in case.param_diff.values())
        pytest.skip("a net without a loss: Caffe ran no layer backward, and left every gradient at 0")
    made = runner(graph, style)
    inputs, _, objective = forward(case, made, requires_grad=True)
    if objective.requires_grad:  # a constant top has no gradient
        objective.backward()
    errors = {f"in_diff {n}": relative(_grad(inputs[n]), diff) for n, diff in case.in_diff.items()}
    parameters = dict(made.module.named_parameters())
    owners = {}
    for key, binding in made.program.bindings.items():
        if key in parameters and binding.index is not None:
            owners.setdefault(binding.node.weights[binding.index].owner, parameters[key])
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


@pytest.mark.parametrize("case", [c for c in CASES if c.param_after], ids=lambda case: case.id)
def test_after_a_training_step(case: Case) -> None:
    made = runner(case.graph(), "exact")
    forward(case, made)
    state = made.module.state_dict()
    for key, binding in made.program.bindings.items():
        name = f"{binding.node.name}/{binding.index}"
        if name in case.param_after:
            assert relative(state[key].numpy(), case.param_after[name]) <= FORWARD, name


def _grad(x: torch.Tensor) -> np.ndarray:
    return np.zeros(x.shape, np.float32) if x.grad is None else x.grad.numpy()
