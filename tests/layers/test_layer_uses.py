"""Every layer type as torch users use a module: in other precisions, exported and compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import caffe2py
from caffe2py.backends.torch.run import input_tensors
from caffe2py.errors import UnsupportedError
from tests.helpers.absent import each
from tests.helpers.layer_cases import Case, layer_cases

# One case of each type: the first by name.
FIRST = list({case.id.partition("-")[0]: case for case in reversed(layer_cases())}.values())

# torch averages in 3-d, which its LRN does, in half precision on accelerators only.
NO_HALF_ON_CPU = {"LRN"}
HALF = [case for case in FIRST if case.id.partition("-")[0] not in NO_HALF_ON_CPU]


def run(case: Case, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    graph = case.graph()
    module = caffe2py.to_torch(graph).to(dtype)
    return as_tuple(module(*input_tensors(graph, case.inputs, dtype).values()))


def as_tuple(tops: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (tops,) if isinstance(tops, torch.Tensor) else tuple(tops)


every_type = each("case", FIRST, "recorded layers", ids=lambda case: case.id)


@every_type
def test_in_float64(case: Case) -> None:
    agrees(case, torch.float64, 1e-5)


@each("case", HALF, "recorded layers", ids=lambda case: case.id)
def test_in_float16(case: Case) -> None:
    """float16 keeps 11 bits of each number; sums of hundreds of products lose two more."""
    agrees(case, torch.float16, 2e-3)


def agrees(case: Case, dtype: torch.dtype, bar: float) -> None:
    for made, whole in zip(run(case, dtype), run(case, torch.float32), strict=True):
        top, want = made.detach(), whole.detach()
        assert top.dtype == dtype
        size = float(want.nan_to_num().abs().max()) if want.numel() else 0.0
        torch.testing.assert_close(top.float(), want, rtol=0, atol=size * bar, equal_nan=True)


def exported(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Callable[..., object]:
    return torch.export.export(module, inputs).module()


def compiled(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Callable[..., object]:
    torch._dynamo.reset()
    return torch.compile(module, backend="aot_eager")


@pytest.mark.parametrize("use", [exported, compiled], ids=lambda use: use.__name__)
@every_type
def test_gives_the_same(case: Case, use: Callable[..., Callable[..., object]], tmp_path: Path) -> None:
    graph = case.graph()
    if use is exported and any(n.layer.stepwise for n in graph.nodes):
        with pytest.raises(UnsupportedError, match=r"torch.export follows no layer that looks at its values"):
            caffe2py.convert(graph, tmp_path / "net.pt2")
        return
    module = caffe2py.to_torch(graph)
    inputs = tuple(input_tensors(graph, case.inputs, torch.float32).values())
    wanted = as_tuple(module(*inputs))
    for top, want in zip(as_tuple(use(module, inputs)(*inputs)), wanted, strict=True):
        # A compiler may add in another order.
        torch.testing.assert_close(top, want, rtol=1e-5, atol=1e-6, equal_nan=True)
