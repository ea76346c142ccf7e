"""What the recorded cases of layers do not reach: ties, edges, other axes and ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.helpers.layer_runs import EXACT, computed
from tests.helpers.nets import graph_of
from tests.helpers.tables.layers import Table, diff, net
from tests.helpers.tables.windows import TABLES


@pytest.mark.parametrize("style", ["exact", "flat"])
@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.type}-{t.id}")
def test_table(table: Table, style: str) -> None:
    graph = graph_of(net(table.type, table.params, [x.shape for x in table.bottoms], len(table.tops)))
    bottoms, tops = computed(graph, table.bottoms, style)
    if graph.makers[graph.results[0]].layer.measured is None:  # else it is not known before how many there are
        assert [graph.shapes[v] for v in graph.results] == [top.shape for top in table.tops]
    for top, want in zip(tops, table.tops, strict=True):
        np.testing.assert_allclose(top.detach().numpy(), want, rtol=EXACT, atol=EXACT, strict=True)
    if table.gradients is not None:
        if tops[0].requires_grad:  # a constant top has no gradient
            (tops[0] * torch.from_numpy(np.asarray(diff(table.tops[0])))).sum().backward()
        for x, want in zip(bottoms, table.gradients, strict=True):
            grad = torch.zeros_like(x) if x.grad is None else x.grad
            np.testing.assert_allclose(grad.numpy(), want, rtol=1e-9, atol=EXACT, strict=True)  # MVN divides by eps
