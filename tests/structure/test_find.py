"""What repeats in a net: found by its graph alone, each layer in one place, every block wired as the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import caffe2py
from caffe2py.graph import Graph
from caffe2py.passes import FLAT
from caffe2py.structure.find import Structure, find
from caffe2py.structure.known import known
from caffe2py.structure.parts import Parts
from caffe2py.structure.tree import leaves, tree
from tests.helpers.absent import each
from tests.helpers.architectures import ARCHITECTURES
from tests.helpers.nets import command, graph_of
from tests.helpers.recorded_nets import MODELS
from tests.helpers.reference import found
from tests.helpers.repeating import repeating_net


def flat(graph: Graph) -> Graph:
    for change in FLAT:
        graph = change(graph)
    return graph


def structure(graph: Graph) -> Structure:
    return find(Parts.of(flat(graph)))


def kinds(made: Structure) -> dict[str, int]:
    """How often each kind of block is there."""
    return {said.name: len(block.instances) for said, block in zip(known(made), made.blocks, strict=True)}


# The blocks of the papers.
OURS = {
    "SE-ResNet-50": {"SqueezeExcitation": 16, "SEBottleneck": 16},
    "SE-ResNeXt-101": {"SqueezeExcitation": 33, "SEBottleneck": 33},
    "SENet-154": {"SqueezeExcitation": 50, "SEBottleneck": 50},
    "SE-BN-Inception": {"SqueezeExcitation": 10, "SEInception": 7, "SEInceptionB": 2, "ConvBNReLU": 69},
}
ZOO = {
    "bvlc_googlenet": {"Inception": 9},
    "squeezenet_v1_1": {"Fire": 8},
    "resnet50_msra": {"Bottleneck": 16},
    "mobilenet_ssd_voc": {"DepthwiseSeparable": 13},
    "bvlc_alexnet": {},
}
NETS = {name: (MODELS / f"{name}.prototxt", wanted) for name, wanted in OURS.items()}
NETS |= {name: (path, wanted) for name, wanted in ZOO.items() for path in found(f"zoo/{name}.prototxt")}


@each("name", list(NETS), "prototxts of well-known nets", ids=str)
def test_blocks_are_those_of_the_paper(name: str) -> None:
    path, wanted = NETS[name]
    assert kinds(structure(caffe2py.load(path))) == wanted


# What people call the blocks of each architecture, and how many there are.
BLOCKS = {
    "edsr": {"BasicBlock": 6},
    "rcan": {"SqueezeExcitation": 9, "SEBasicBlock": 9, "ResidualBlock": 3},
    "vdsr": {"ConvReLU": 9},
    "unet": {"DoubleConv": 7},
    "fpn": {"Bottleneck": 9},
    "mobilenet_v2": {"InvertedResidual": 6},
    "hourglass": {"Bottleneck": 18, "HgBlock": 2},
    "darknet": {"ResidualBlock": 8},
    "res2net": {"ResidualBlock": 4},
    "senet": {"SqueezeExcitation": 5, "SEBasicBlock": 5},
    "aspp": {"FcBlock": 4},
    "mnasnet": {"SqueezeExcitation": 11, "InvertedResidual": 7, "ConvBN": 34, "MBConv": 11},
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_blocks_are_those_that_people_see(name: str) -> None:
    assert kinds(structure(graph_of(str(ARCHITECTURES[name]())))) == BLOCKS[name]


@pytest.fixture(params=[*range(12)], ids=lambda seed: f"seed {seed}")
def repeating(request: pytest.FixtureRequest) -> Structure:
    return structure(graph_of(repeating_net(request.param)))


def test_every_layer_is_in_one_place(repeating: Structure) -> None:
    """A layer is in the net itself, or in one block of it, or in one that is in that."""
    parts = range(len(repeating.parts.parts))
    assert sorted(leaf for row in repeating.net.body for leaf in leaves(row) if leaf is not None) == list(parts)
    for block in repeating.blocks:
        every = [leaf for each in block.instances for leaf in each if leaf is not None]
        assert max(Counter(every).values()) == 1


def test_blocks_of_a_kind_are_equal_but_for_numbers(repeating: Structure) -> None:
    parts = repeating.parts
    for block in repeating.blocks:
        assert len(block.instances) > 1
        for others in block.instances:
            for mine, theirs in zip(block.leaves, others, strict=True):
                if theirs is not None:
                    assert mine is not None and parts.mark(mine, True) == parts.mark(theirs, True)
            lacking = [k for k, leaf in enumerate(others) if leaf is None and block.leaves[k] is not None]
            assert parts.wires(others) == parts.wires(block.leaves, lacking) is not None


def chain(*layers: str) -> Graph:
    """Sums and products of blobs: `name<bottom+bottom`, `name<bottom*bottom`, `name<bottom`."""
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }'
    for word in layers:
        name, _, read = word.partition("<")
        bottoms = " ".join(f'bottom: "{b}"' for b in read.replace("*", "+").split("+"))
        joins = "+" in read or "*" in read
        kind = f"eltwise_param {{ operation: {'PROD' if '*' in read else 'SUM'} }}" if joins else ""
        type_ = "Eltwise" if joins else "TanH"
        text += f'\nlayer {{ name: "{name}" type: "{type_}" {bottoms} top: "{name}" {kind} }}'
    return graph_of(text)


TREES = {
    "a row": (["a<data", "b<a"], "data a b"),
    "a region": (["a<data", "b<a", "c<a", "d<b+c", "e<d"], "data a [b|c=d] e"),
    "a shortcut": (["a<data", "b<a", "d<b+a"], "data a [b|=d]"),
    "a region in a region": (["a<data", "b<a", "c<b", "d<b+c", "e<d+a"], "data a [b [|c=d]|=e]"),
    "branches that read each other": (["a<data", "b<a", "c<a", "d<b+c", "e<b", "f<d+e"], "data a [b,c,d,e=f]"),
    "a way round": (["a<data", "b<a", "c<b+a", "d<c+data"], "data [a [b|=c]|=d]"),
    "two ends": (["a<data", "b<a", "c<a"], "data a,b,c"),
    "a start that others read too": (["a<data", "b<a", "c<b+a", "d<c", "e<a", "f<e+d"], "data a [e|[b|=c] d=f]"),
    "the first of two": (["a<data", "b<a", "c<b+a", "d<c", "e<d+c", "f<e+a"], "data a [[b|=c] [d|=e]|=f]"),
    "an output at the start": (["a<data", "b<a", "c<b+a", "d<c", "e<c", "f<a"], "data a,[b|=c],d,e,f"),
    "a tangle beside others": (
        ["a<data", "b<a", "c<b+a", "d<c", "e<c", "f<d+e+a", "g<f", "h<f", "i<g+h+a"],
        "data a [[b|=c],d,e,f,g,h|=i]",
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_a_net_is_a_tree(name: str) -> None:
    layers, wanted = TREES[name]
    parts = Parts.of(chain(*layers))

    def said(items: object) -> str:
        if isinstance(items, int):
            return parts.parts[items].node.name
        if isinstance(items, tuple):
            return " ".join(map(said, items))
        return f"[{'|'.join(','.join(map(said, branch)) for branch in items.branches)}={said(items.join)}]"  # type: ignore[attr-defined]

    assert ",".join(map(said, tree(parts.flow, parts.reads))) == wanted


# Nets in which each sum would be the last of a region in the next one's.
DEEP = {
    "the input again and again": [
        word for k in range(200) for word in (f"t{k}<{f's{k - 1}' if k else 'data'}", f"s{k}<t{k}+data")
    ],
    "levels in levels": [
        *(f"d{k}<{f'd{k - 1}' if k else 'data'}" for k in range(200)),
        *(w for k in reversed(range(199)) for w in (f"u{k}<{'d199' if k == 198 else f's{k + 1}'}", f"s{k}<u{k}+d{k}")),
    ],
}


@pytest.mark.parametrize("name", DEEP)
def test_nets_are_not_nested_without_end(name: str) -> None:
    made = structure(chain(*DEEP[name]))
    parts = range(len(made.parts.parts))
    assert sorted(leaf for row in made.net.body for leaf in leaves(row) if leaf is not None) == list(parts)


TITLES = [
    (["conv2_1/a", "conv2_1/b", "conv2_1"], "conv2_1"),
    (["inception_3a/1x1", "inception_3a/relu_1x1"], "inception_3a"),
    (["stage_2_2_conv", "stage_2_2_relu"], "stage_2_2"),
    (["conv5_1", "conv5_2"], "conv5"),
    (["scale2a", "bn2a", "res2a"], "res2a"),
    (["res2a", "res2b"], "res2b"),
]


@pytest.mark.parametrize(("names", "title"), TITLES, ids=lambda said: said if isinstance(said, str) else said[0])
def test_a_block_is_called_what_its_names_share(names: list[str], title: str) -> None:
    parts = Parts.of(chain(*(f"{name}<data" for name in names)))
    assert parts.title(range(1, 1 + len(names))) == title


def test_show_prints_the_blocks() -> None:
    done = command("show", MODELS / "SE-ResNet-50.prototxt", "--blocks")
    lines = done.out.splitlines()
    assert done.status == 0
    assert [line.strip() for line in lines if "…" in line] == [
        "conv2_1 … conv2_3: 3 x SEBottleneck",
        "conv3_1 … conv3_4: 4 x SEBottleneck",
        "conv4_1 … conv4_6: 6 x SEBottleneck",
        "conv5_1 … conv5_3: 3 x SEBottleneck",
    ]
    assert "  | (in 4 of 16, else the input)" in lines
    done = command("show", MODELS / "SE-ResNet-50.prototxt", "--blocks", "--json")
    assert '"name": "SEBottleneck"' in done.out


def test_blocks_are_told_of_a_net_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(repeating_net(3).split("\n", 1)[1])
    assert command("show", path, "--blocks").out.startswith("(no name)\n  data")
