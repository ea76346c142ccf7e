"""Every layer type as torch users use a module: in other precisions, exported and compiled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import caffe2py
from caffe2py.backends.torch.run import input_tensors
from tests.helpers.layer_cases import Case
from tests.layers.test_layers import CASES

# One case of each type: the first by name.
FIRST = list({case.id.partition("-")[0]: case for case in reversed(CASES)}.values())

# torch averages in 3-d, which its LRN does, in half precision on accelerators only.
NO_HALF_ON_CPU = {"LRN"}


def run(case: Case, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    graph = case.graph()
    module = caffe2py.to_torch(graph).to(dtype)
    return as_tuple(module(*input_tensors(graph, case.inputs, dtype).values()))


def as_tuple(tops: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (tops,) if isinstance(tops, torch.Tensor) else tuple(tops)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("case", FIRST, ids=lambda case: case.id)
def test_other_numbers(case: Case, dtype: torch.dtype) -> None:
    if dtype == torch.float16 and case.id.partition("-")[0] in NO_HALF_ON_CPU:
        pytest.skip("torch has no half precision for this on a CPU")
    for made, whole in zip(run(case, dtype), run(case, torch.float32), strict=True):
        top, want = made.detach(), whole.detach()
        assert top.dtype == dtype
        size = float(want.abs().max()) if want.numel() else 0.0
        # float16 keeps 11 bits of each number; sums of hundreds of products lose two more.
        torch.testing.assert_close(top.float(), want, rtol=0, atol=size * (2e-3 if dtype == torch.float16 else 1e-5))


def exported(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Callable[..., object]:
    return torch.export.export(module, inputs).module()


def compiled(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Callable[..., object]:
    torch._dynamo.reset()
    return torch.compile(module, backend="aot_eager")


@pytest.mark.parametrize("use", [exported, compiled], ids=lambda use: use.__name__)
@pytest.mark.parametrize("case", FIRST, ids=lambda case: case.id)
def test_gives_the_same(case: Case, use: Callable[..., Callable[..., object]]) -> None:
    graph = case.graph()
    module = caffe2py.to_torch(graph)
    inputs = tuple(input_tensors(graph, case.inputs, torch.float32).values())
    wanted = as_tuple(module(*inputs))
    for top, want in zip(as_tuple(use(module, inputs)(*inputs)), wanted, strict=True):
        torch.testing.assert_close(top, want, rtol=1e-5, atol=1e-6)  # a compiler may add in another order
