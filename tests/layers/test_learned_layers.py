"""Layers with learned blobs: what they make of numbers from a seed, in numpy, at the edges of their parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffe2py.backends.torch.run import runner
from caffe2py.graph.fillers import fill_weights
from tests.helpers.layer_runs import EXACT, computed
from tests.helpers.nets import graph_of
from tests.helpers.tables.layers import diff, net, values
from tests.helpers.tables.learned import RANDOM, Learned, learned


@pytest.mark.parametrize("case", learned(), ids=lambda c: f"{c.type}-{c.x.ndim} axes-{c.params}")
def test_learned(case: Learned) -> None:
    graph = fill_weights(graph_of(net(case.type, case.params, [case.x.shape])), 5)
    _, tops = computed(graph, [case.x], "exact")
    assert graph.shapes[graph.results[0]] == tuple(tops[0].shape)
    blobs = [w.data.astype(np.float64) for w in graph.node("y").weights if w.data is not None]
    np.testing.assert_allclose(tops[0].detach().numpy(), case.top(case.x, *blobs), rtol=EXACT, atol=EXACT, strict=True)


def test_bias_of_a_second_bottom() -> None:
    x = values(2, 3, 4)
    for axis, second in [(0, values(2)), (1, values(3, 4)), (-1, values(4)), (2, values()), (0, values(2, 3, 4))]:
        graph = graph_of(net("Bias", f"bias_param {{ axis: {axis} }}", [x.shape, second.shape]))
        start = axis % 3 if second.ndim else 0
        want = x + second.reshape(*second.shape, *[1] * (3 - start - second.ndim)) if second.ndim else x + second
        np.testing.assert_allclose(computed(graph, [x, second], "exact")[1][0].detach(), want, rtol=EXACT)


def test_parameter_is_its_blob() -> None:
    graph = fill_weights(
        graph_of('layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 dim: 3 } } }'), 1
    )
    module = runner(graph, "flat").module
    assert [tuple(p.shape) for p in module.parameters()] == [(2, 3)]
    np.testing.assert_array_equal(module().detach(), np.zeros((2, 3)))


def test_embed_adds_the_gradients_of_a_row() -> None:
    """The recorded nets have no loss, so that Caffe ran no backward pass of this layer."""
    rows = np.array([[0.0, 2, 2], [1, 2, 0]])
    params = f"embed_param {{ input_dim: 4 num_output: 3 weight_filler {RANDOM} bias_filler {RANDOM} }}"
    module = runner(fill_weights(graph_of(net("Embed", params, [rows.shape])), 5), dtype=torch.float64).module
    top = module(torch.from_numpy(rows))
    (top * torch.from_numpy(diff(np.zeros(top.shape)))).sum().backward()
    weight, bias = (p.grad for p in module.parameters())
    wanted = np.zeros((4, 3))
    np.add.at(wanted, rows.astype(int), diff(np.zeros(top.shape)))
    np.testing.assert_allclose(weight, wanted, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(bias, diff(np.zeros(top.shape)).sum((0, 1)), rtol=EXACT, atol=EXACT)
