"""What the recorded cases of layers do not reach: ties, edges, other axes and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from caffe2py.backends.torch.run import input_tensors, runner
from caffe2py.graph import Graph
from tests.helpers.layer_tables import Array, Table, arg_max, diff, net, neurons, powers, reductions, selections
from tests.helpers.nets import graph_of
from tests.helpers.window_tables import lrn, mvn, windows

EXACT = 1e-12  # both sides compute in float64
TABLES = [*neurons(), *powers(), *arg_max(), *reductions(), *selections(), *lrn(), *mvn(), *windows()]


@pytest.mark.parametrize("style", ["exact", "flat"])
@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.type}-{t.id}")
def test_table(table: Table, style: str) -> None:
    graph = graph_of(net(table.type, table.params, [x.shape for x in table.bottoms], len(table.tops)))
    bottoms, tops = computed(graph, table.bottoms, style)
    if table.type != "Filter":  # how many it keeps is not known before
        assert [graph.shapes[v] for v in graph.results] == [top.shape for top in table.tops]
    for top, want in zip(tops, table.tops, strict=True):
        np.testing.assert_allclose(top.detach().numpy(), want, rtol=EXACT, atol=EXACT, strict=True)
    if table.gradients is not None:
        if tops[0].requires_grad:  # a constant top has no gradient
            (tops[0] * torch.from_numpy(np.asarray(diff(table.tops[0])))).sum().backward()
        for x, want in zip(bottoms, table.gradients, strict=True):
            grad = torch.zeros_like(x) if x.grad is None else x.grad
            np.testing.assert_allclose(grad.numpy(), want, rtol=1e-9, atol=EXACT, strict=True)  # MVN divides by eps


def computed(graph: Graph, bottoms: Sequence[Array], style: str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The bottoms as leaves, and the tops, in float64."""
    made = runner(graph, style, dtype=torch.float64)
    given = input_tensors(graph, {f"x{i}": x for i, x in enumerate(bottoms)}, torch.float64)
    leaves = {name: x.requires_grad_() for name, x in given.items()}
    tops = made.module(*leaves.values())
    return list(leaves.values()), [tops] if isinstance(tops, torch.Tensor) else list(tops)
