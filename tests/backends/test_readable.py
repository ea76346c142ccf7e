"""The readable style: short, natural, clean, and to the last bit what the flat style computes.

`python -m tests.backends.test_readable` writes the emitted files anew, to be read and reviewed.
"""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caffe2py
from caffe2py.backends.files.pt_reading import read
from caffe2py.backends.torch.run import Runner, runner
from caffe2py.backends.torch.source import program
from caffe2py.backends.torch.state import state_dict
from caffe2py.backends.torch.writing.program import Program
from caffe2py.graph import Graph
from tests.helpers.absent import each
from tests.helpers.architectures import ARCHITECTURES
from tests.helpers.layer_cases import layer_cases, random_cases
from tests.helpers.nets import SMALL, graph_of, steady
from tests.helpers.recorded_nets import RecordedNet, recorded_nets
from tests.helpers.reference import found
from tests.helpers.repeating import repeating_net
from tests.helpers.ruff import ruff

EMITTED = Path(__file__).with_name("emitted")
MODELS = Path(__file__).resolve().parents[2] / "models" / "prototxt"

# The most lines that each file may have, blank ones and docstrings included.
LIMITS = {
    "SENet-154": 150,
    "SE-ResNet-50": 130,
    "SE-ResNeXt-101": 130,
    "SE-BN-Inception": 220,
    "bvlc_googlenet": 150,
    "resnet50_msra": 110,
    "squeezenet_v1_1": 80,
    "bvlc_alexnet": 70,
}
SMALL_ENOUGH = 1.2e9  # multiply-adds


def prototxt(name: str) -> Path | None:
    ours = MODELS / f"{name}.prototxt"
    return ours if ours.exists() else next(iter(found(f"zoo/{name}.prototxt")), None)


def emitted(name: str) -> str:
    path = prototxt(name)
    assert path is not None
    return caffe2py.to_source(caffe2py.load(path), weights=f"{name}.pth")


THERE = [name for name in LIMITS if prototxt(name)]
every_file = each("name", THERE, "prototxts of well-known nets", ids=str)


@every_file
def test_the_files_are_those_that_were_reviewed(name: str) -> None:
    text = emitted(name)
    assert text == (EMITTED / f"{_module(name)}.py").read_text()
    assert len(text.splitlines()) <= LIMITS[name]


def _module(name: str) -> str:
    return name.lower().replace("-", "_")


def clean(folder: Path) -> None:
    """Lint and format, without a configuration."""
    for done in (ruff("check", "--isolated", folder), ruff("format", "--isolated", "--no-cache", "--diff", folder)):
        assert done.returncode == 0, done.stdout


def test_the_files_are_clean() -> None:
    clean(EMITTED)


def test_other_nets_are_clean_too(tmp_path: Path) -> None:
    cases = {case.id: case.graph() for case in layer_cases()}
    graphs = cases | {f"repeating-{seed}": graph_of(repeating_net(seed)) for seed in range(40)}
    graphs |= {name: graph_of(str(make())) for name, make in ARCHITECTURES.items()}
    for name, graph in graphs.items():
        (tmp_path / f"{name}.py").write_text(caffe2py.to_source(graph), encoding="utf-8")
    clean(tmp_path)


def same(one: Runner, other: Runner, inputs: dict[str, np.ndarray]) -> None:
    """Both give the same bits, and have the same layers under their keys."""
    tensors = [torch.from_numpy(np.array(inputs[blob], np.float32)) for blob in one.program.inputs]
    tops = []
    for made in (one, other):
        torch.manual_seed(3)  # for what is dropped in training
        with torch.no_grad():
            top = made.module(*tensors)
        tops.append([] if top is None else [top] if isinstance(top, torch.Tensor) else list(top))
    assert [t.shape for t in tops[0]] == [t.shape for t in tops[1]]
    for a, b in zip(*tops, strict=True):
        assert np.array_equal(a.numpy(), b.numpy(), equal_nan=True)
    assert blobs(one.program) == blobs(other.program)


def blobs(made: Program) -> set[tuple[str, int]]:
    """The blobs of Caffe's that the entries of the state dict are, by layer; those that are made of several as -1."""
    return {b.owner or (b.node.name, -1) for b in made.bindings.values()}


def both(graph: Graph, inputs: dict[str, np.ndarray]) -> None:
    same(runner(graph, "flat"), runner(graph, "readable"), inputs)


CASES = [*layer_cases(), *random_cases()]


@each("case", CASES, "recorded layers", ids=lambda case: case.id)
def test_every_layer_is_as_in_the_flat_style(case: object) -> None:
    both(case.graph(), case.inputs)  # type: ignore[attr-defined]


NETS = [net for folder in ("tiny", "mtcnn", "zoo") for net in recorded_nets(folder)]


def small(graph: Graph) -> bool:
    """A net that runs in a second or so."""
    return (graph.totals().multiply_adds or 0) / max(1, next(iter(graph.inputs.values()), (1,))[0]) <= SMALL_ENOUGH


@each("net", NETS, "recorded nets", ids=lambda net: net.id)
def test_nets_are_as_in_the_flat_style(net: RecordedNet, whole: bool) -> None:
    """To the bit; of large nets, without --all, the layers that each key is of."""
    graph = caffe2py.load(net.prototxt)
    if not (whole or small(graph)):
        assert blobs(program(graph)) == blobs(program(graph, "flat"))
        return
    random = np.random.RandomState(5)
    one = {blob: (1, *shape[1:]) for blob, shape in graph.inputs.items() if shape}
    graph = steady(caffe2py.load(net.prototxt, inputs=one))
    both(graph, {blob: random.uniform(-1, 1, shape).astype(np.float32) for blob, shape in one.items()})


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_are_as_in_the_flat_style(name: str) -> None:
    graph = steady(graph_of(str(ARCHITECTURES[name]())))
    random = np.random.RandomState(6)
    both(
        graph, {blob: random.uniform(-1, 1, shape).astype(np.float32) for blob, shape in graph.inputs.items() if shape}
    )


# Lines that a person would have written.
WRITTEN = {
    "edsr": ["self.body = nn.Sequential(*(BasicBlock() for _ in range(6)))", "y = self.body_conv(y) + x"],
    "rcan": ["self.block = nn.Sequential(*(SEBasicBlock() for _ in range(3)))"],
    "vdsr": ["self.conv1 = ConvReLU(1)", "self.blocks = nn.Sequential(*(ConvReLU(8) for _ in range(8)))"],
    "unet": ["self.d0 = DoubleConv(1, 4)", "self.u2 = DoubleConv(32, 16)"],
    "fpn": [
        "def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:",
        "Bottleneck(16, 8, stride=2),",
    ],
    "mobilenet_v2": ["self.block6 = nn.Sequential(*(InvertedResidual(16) for _ in range(3)))"],
    "hourglass": ["if channels != 8:", "self.shortcut = nn.Conv2d(channels, 8, 1)", "self.hg1 = HgBlock()"],
    "darknet": [
        "self.layer3 = ResidualBlock(16)",
        "self.layer17 = nn.Sequential(*(ResidualBlock(64) for _ in range(4)))",
    ],
    "res2net": ["self.conv_in = nn.Conv2d(16, 12, 1)", "y, z, u = torch.tensor_split(y, 3, 1)"],
    "aspp": ["def __init__(self, dilation: int) -> None:", "self.fc6_8 = FcBlock(8)"],
    "mnasnet": ["self.se = SqueezeExcitation(in_channels * 3)", "self.mb1 = MBConv(8, 12, stride=2)"],
    "senet": ["if in_channels != out_channels:", "nn.Conv2d(in_channels, out_channels, 1),", "SEBasicBlock(8, 16),"],
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_are_written_as_people_do(name: str) -> None:
    lines = [line.strip() for line in caffe2py.to_source(graph_of(str(ARCHITECTURES[name]()))).splitlines()]
    assert [line for line in WRITTEN[name] if line not in lines] == []


@given(st.integers(0, 10**9))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_random_nets_that_repeat_are_as_in_the_flat_style(seed: int) -> None:
    graph = steady(graph_of(repeating_net(seed)))
    both(graph, {"data": np.random.RandomState(1).uniform(-1, 1, (2, 4, 8, 8)).astype(np.float32)})


def residuals(*kinds: str) -> str:
    """A net of blocks, each a letter: "i" with the input added, "p" with a projection of it."""
    lines = ['layer { name: "data" type: "Input" top: "x0" input_param { shape { dim: 1 dim: 8 dim: 6 dim: 6 } } }']
    for k, kind in enumerate(kinds):
        lines += [
            _conv(f"b{k}_1", f"x{k}", f"y{k}"),
            f'layer {{ name: "b{k}_relu" type: "ReLU" bottom: "y{k}" top: "y{k}" }}',
            _conv(f"b{k}_2", f"y{k}", f"z{k}"),
            *([_conv(f"b{k}_proj", f"x{k}", f"p{k}", 1)] if kind == "p" else []),
            f'layer {{ name: "b{k}_add" type: "Eltwise" bottom: "z{k}" bottom: "{"p" if kind == "p" else "x"}{k}" '
            f'top: "x{k + 1}" }}',
        ]
    return "\n".join(lines)


def _conv(name: str, bottom: str, top: str, kernel: int = 3, width: int = 8) -> str:
    said = f"num_output: {width} kernel_size: {kernel} pad: {kernel // 2}"
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" convolution_param {{ {said} }} }}'
    )


def projecting() -> str:
    """`residuals("p", "i", "i")` with a convolution more, `project`, and two widths that go up and down."""
    text = residuals("p", "i", "i")
    for k, (first, second) in enumerate([(8, 6), (10, 14), (12, 10)]):
        last = [_conv(f"b{k}_project", f"y{k}", f"w{k}", 1, second), _conv(f"b{k}_2", f"w{k}", f"z{k}")]
        text = text.replace(_conv(f"b{k}_1", f"x{k}", f"y{k}"), _conv(f"b{k}_1", f"x{k}", f"y{k}", 3, first))
        text = text.replace(_conv(f"b{k}_2", f"y{k}", f"z{k}"), "\n".join(last))
    return text


# How many classes a net has, the net's own among them, and words that its text must have or lack.
SHAPES = {
    "nothing repeats": (SMALL, 1, [], ["Block"]),
    "a block": (residuals("i", "i", "i"), 2, ["class BasicBlock(nn.Module)", "for _ in range(3)"], ["shortcut"]),
    "a shortcut that may lack": (residuals("p", "i", "i"), 2, ["project: bool = False", "nn.Identity()"], []),
    "a width called as that": (projecting(), 2, ["project: int, project_2: bool = False"], []),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_repeats_is_a_class(name: str) -> None:
    text, classes, has, lacks = SHAPES[name]
    source = caffe2py.to_source(graph_of(text))
    compile(source, "net.py", "exec")
    assert source.count("(nn.Module):") == classes
    assert all(word in source for word in has) and not any(word in source for word in lacks), source


def pooled(pool: str, times: int, stride: int = 2) -> str:
    """A net of poolings, the averages over a padding."""
    lines = ['layer { name: "data" type: "Input" top: "x0" input_param { shape { dim: 1 dim: 8 dim: 16 dim: 16 } } }']
    said = f"pool: {pool} kernel_size: 3 stride: {stride} pad: {int(pool == 'AVE')}"
    for k in range(times):
        lines.append(
            f'layer {{ name: "p{k}" type: "Pooling" bottom: "x{k}" top: "x{k + 1}" pooling_param {{ {said} }} }}'
        )
    return "\n".join(lines)


REMARKED = {
    "plain": (residuals("i", "i"), []),
    "BatchNorm": (SMALL, ["Caffe's moving_average_fraction is 1 - momentum."]),
    "MAX": (pooled("MAX", 2), ["Caffe rounds pooled sizes up."]),
    "MAX of single steps": (pooled("MAX", 2, 1), []),
    "AVE": (
        pooled("AVE", 2),
        ["Caffe rounds pooled sizes up.", "As in Caffe, the average counts the padding's zeros."],
    ),
    "AVE of single steps": (pooled("AVE", 2, 1), ["As in Caffe, the average counts the padding's zeros."]),
}


@pytest.mark.parametrize("name", REMARKED)
def test_what_surprises_is_remarked_once(name: str) -> None:
    text, remarks = REMARKED[name]
    lines = caffe2py.to_source(graph_of(text)).splitlines()
    assert [line.strip() for line in lines if line.strip().startswith("# ")] == [f"# {said}" for said in remarks]


@pytest.mark.parametrize("count", [9, 14], ids=["letters", "names"])
def test_many_values_at_once_have_names(count: int) -> None:
    data = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 8 dim: 6 dim: 6 } } }'
    tops = [f"head{k}" for k in range(count)]
    heads = [_conv(top, "data", top, kernel=1 + 2 * (k % 2)) for k, top in enumerate(tops)]
    read = " ".join(f'bottom: "{top}"' for top in tops)
    net = "\n".join([data, *heads, f'layer {{ name: "all" type: "Concat" {read} top: "all" }}'])
    names = tops if count > 11 else "xyzuvwpqr"
    assert f"torch.cat([{','.join(names)}" in "".join(caffe2py.to_source(graph_of(net)).split())


def test_what_does_not_repeat_has_the_members_of_the_flat_style() -> None:
    graph = graph_of(SMALL, weights=True)
    assert list(program(graph).bindings) == list(program(graph, "flat").bindings)


def test_text_is_the_same_each_time() -> None:
    path = MODELS / "SE-ResNet-50.prototxt"
    made = "import caffe2py, sys; sys.stdout.write(caffe2py.to_source(caffe2py.load(sys.argv[1])))"
    texts = [
        subprocess.run(
            [sys.executable, "-c", made, str(path)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(MODELS.parents[1])},
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1] == caffe2py.to_source(caffe2py.load(path))


def test_tracebacks_show_the_line(tmp_path: Path) -> None:
    module = caffe2py.to_torch(steady(graph_of(residuals("i", "i", "i"))))
    with pytest.raises(RuntimeError) as caught:
        module(torch.zeros(1, 3, 6, 6))
    said = "".join(traceback.format_exception(caught.value))
    assert "in forward" in said and "F.relu(self." in said


def repeating() -> tuple[Graph, torch.Tensor]:
    x = np.random.RandomState(4).uniform(-1, 1, (2, 8, 6, 6)).astype(np.float32)
    return steady(graph_of(residuals("p", "i", "i"))), torch.from_numpy(x)


USES: dict[str, Callable[[torch.nn.Module, torch.Tensor], torch.nn.Module]] = {
    "compile": lambda m, x: torch.compile(m, backend="aot_eager"),
    "export": lambda m, x: torch.export.export(m, (x,)).module(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_compiles_and_exports(use: Callable[[torch.nn.Module, torch.Tensor], torch.nn.Module]) -> None:
    graph, x = repeating()
    module = caffe2py.to_torch(graph)
    torch.testing.assert_close(use(module, x)(x), module(x))


def test_a_net_with_names_of_another_script_runs_as_a_script(tmp_path: Path) -> None:
    text = 'name: "深度网"\n' + residuals("p", "i", "i").replace('"b', '"块')
    caffe2py.convert(steady(graph_of(text)), tmp_path / "net.py")
    source = (tmp_path / "net.py").read_text(encoding="utf-8")
    assert "class ShenDuWang(nn.Module)" in source and "self.Kuai = nn.Sequential(" in source
    done = subprocess.run([sys.executable, tmp_path / "net.py"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("x3 (1, 8, 6, 6)\n", "")


def test_weights_tell_the_layer_of_each_key(tmp_path: Path) -> None:
    graph, _ = repeating()
    caffe2py.convert(graph, tmp_path / "net.py")
    state = torch.load(tmp_path / "net.pth", weights_only=True)
    layers = state._metadata[""]["caffe_layers"]
    assert layers.keys() == state.keys()
    for key, layer in layers.items():
        kept = graph.node(layer).blobs()
        assert any(np.array_equal(state[key].numpy(), blob) for blob in kept), key
    held = torch.load(caffe2py.convert(graph, tmp_path / "net.pt")[0], weights_only=True)
    assert (held["style"], held["layers"]) == ("readable", layers)


def test_a_pt_that_says_no_style_is_flat(tmp_path: Path) -> None:
    graph, x = repeating()
    path = tmp_path / "net.pt"
    caffe2py.convert(graph, path)
    held = torch.load(path, weights_only=True)
    del held["style"], held["layers"]
    held["state_dict"] = {k: torch.from_numpy(v) for k, v in state_dict(program(graph, "flat")).items()}
    torch.save(held, path)
    assert torch.equal(caffe2py.load_torch(path)(x), caffe2py.to_torch(graph)(x))


def test_a_pt_with_other_names_for_the_same_layers_loads(tmp_path: Path) -> None:
    graph, x = repeating()
    path = tmp_path / "net.pt"
    caffe2py.convert(graph, path)
    held = torch.load(path, weights_only=True)
    renamed = {key: f"old.{key}" for key in held["state_dict"]}
    held["state_dict"] = {renamed[key]: tensor for key, tensor in held["state_dict"].items()}
    held["layers"] = {renamed[key]: layer for key, layer in held["layers"].items()}
    torch.save(held, path)
    assert torch.equal(caffe2py.load_torch(path)(x), caffe2py.to_torch(graph)(x))
    assert read(path)[1] == "readable"


def test_an_edited_file_of_classes_is_found_out(tmp_path: Path) -> None:
    graph, x = repeating()
    dump = tmp_path / "dump.h5"
    caffe2py.record(graph, {"x0": x[:1].numpy()}, dump)
    caffe2py.convert(graph, tmp_path / "net.py")
    text = (tmp_path / "net.py").read_text()
    assert caffe2py.verify(graph, dump, tmp_path / "net.py").ok
    (tmp_path / "net.py").write_text(text.replace("F.relu(", "F.leaky_relu("))
    report = caffe2py.verify(graph, dump, tmp_path / "net.py")
    assert report.first_offender is not None and report.first_offender.name == "b0_relu", report


if __name__ == "__main__":
    for each_name in THERE:
        (EMITTED / f"{_module(each_name)}.py").write_text(emitted(each_name))
