"""`device`: nets keep to the one they are given; one that is not there is told; float32 stays float32."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import caffe2py
from caffe2py import to_source
from caffe2py.backends.torch.device import full_float32
from caffe2py.backends.torch.run import input_tensors, lean_runner
from caffe2py.backends.torch.writing.helpers import functions
from caffe2py.errors import CaffeError
from tests.helpers.absent import absent, needs
from tests.helpers.commands import COMMANDS
from tests.helpers.layer_cases import Case, layer_cases
from tests.helpers.nets import command, write_net

META = torch.device("meta")  # tensors without memory: one of ours that is left on the CPU shows as one of two kinds
BY_VALUE = "nonzero|meta tensors|out of meta"  # what torch says where a shape depends on values, as in Filter


def enough(found: list[Case]) -> list[Case]:
    """Cases that have every layer type and, between them, every function that a text of ours calls."""
    known, chosen = set(), []
    for case in found:
        source = to_source(case.graph(), style="exact")
        met = {type_ for _, type_ in case.layers} | {f"{name}()" for name in functions() if f"def {name}(" in source}
        if not met <= known:
            chosen.append(case)
            known |= met
    return chosen


def test_all_of_a_net_is_on_its_device() -> None:
    some = enough(layer_cases())
    if not some:
        absent("the recorded layers")
    told = [keeps_to_its_device(case) for case in some]
    assert sum(told) > 40


def keeps_to_its_device(case: Case) -> bool:
    """False where that cannot be told, since a layer looks at values."""
    graph = case.graph()
    made = lean_runner(graph, device=META)
    try:
        with torch.no_grad():
            for node, tops in made.steps(input_tensors(graph, case.inputs, torch.float32, META)):
                for v, top in zip(node.tops, tops, strict=True):
                    assert (top.device, tuple(top.shape)) == (META, graph.shapes[v]), (case.id, node.name)
    except (NotImplementedError, RuntimeError) as error:
        if not re.search(BY_VALUE, str(error)):
            raise
        return False
    return True


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_net(tmp_path_factory.mktemp("net"))


@needs(not torch.cuda.is_available(), "a machine without CUDA")
def test_a_device_that_is_not_there_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    for device, fact in (("cuda", ""), ("cuda:1", ""), ("toaster", "Expected one of cpu, cuda")):
        with pytest.raises(CaffeError, match=f'no device "{device}": {fact}'):
            caffe2py.run(caffe2py.load(*files), {}, device=device)
        done = command("record", *files, "-o", tmp_path / "out.h5", "--device", device)
        assert done.status == 1 and f'no device "{device}": ' in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("name", ["record", "verify", "evaluate", "classify", "detect"])
def test_who_runs_a_net_takes_a_device(name: str) -> None:
    assert "--device" in [word for option in COMMANDS[name].params for word in option.opts]


def test_float32_is_never_cut_to_tf32_and_the_caller_s_wish_comes_back() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with full_float32():
            assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
