"""Nets as pictures: every layer in one place, repeats folded as the architectures say, nothing over anything else."""

from __future__ import annotations

import sys
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

import pytest

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from caffe2py.picture.cards import Shade, shortened
from caffe2py.picture.draw import kinds, to_svg
from caffe2py.picture.fold import Group, fold
from caffe2py.picture.layout import lay_out
from caffe2py.picture.page import to_html
from tests.helpers.architectures import ARCHITECTURES
from tests.helpers.nets import command, graph_of
from tests.helpers.pages import NASTY, NASTY_NET, Page, boxes, outside
from tests.helpers.recorded_nets import recorded_nets

MODELS = Path(__file__).resolve().parents[2] / "models" / "prototxt"
NETS = {p.stem: p for p in sorted(MODELS.glob("*.prototxt"))}
NETS |= {net.id: net.prototxt for folder in ("zoo", "mtcnn") for net in recorded_nets(folder)}
LETTER, ASCENT, DESCENT = 0.602 * 11, 11.0, 3.0  # of DejaVu Sans Mono, at the 11 pixels of the style sheet


@pytest.fixture(scope="module", params=NETS.values(), ids=NETS.keys())
def net(request: pytest.FixtureRequest) -> Graph:
    return load(request.param)


@pytest.fixture(scope="module")
def drawn(net: Graph) -> ET.Element:
    return ET.fromstring(to_svg(net))


load = cache(caffe2py.load)


def chain(*layers: str) -> str:
    """A net of convolutions: `name<bottom`, or an Eltwise: `name<bottom+bottom`."""
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }'
    for word in layers:
        name, _, read = word.partition("<")
        bottoms = " ".join(f'bottom: "{b}"' for b in read.split("+"))
        kind = "Eltwise" if "+" in read else "Convolution"
        more = "" if "+" in read else "convolution_param { num_output: 3 kernel_size: 1 }"
        text += f'\nlayer {{ name: "{name}" type: "{kind}" {bottoms} top: "{name}" {more} }}'
    return text


def residual(name: str, bottom: str, length: int = 2) -> list[str]:
    """A block whose branch of so many convolutions meets its bottom."""
    names = [f"{name}/{i}" for i in range(length)]
    return [*(f"{n}<{b}" for n, b in zip(names, [bottom, *names], strict=False)), f"{name}/sum<{names[-1]}+{bottom}"]


def groups(graph: Graph) -> list[tuple[str, int, int]]:
    """Title, blocks and layers in one of them, of each folded item."""
    found = [item for item in fold(graph).items if isinstance(item, Group)]
    return [(g.title, len(g.parts), sum(len(box.nodes) for box in g.parts[0].boxes)) for g in found]


def test_every_layer_is_in_one_item(net: Graph) -> None:
    assert sorted(i for item in fold(net).items for i in item.indices) == list(range(len(net.nodes)))


def test_the_edges_are_those_of_the_net(net: Graph) -> None:
    folded = fold(net)
    home = {net.nodes[i].name: n for n, item in enumerate(folded.items) for i in item.indices}
    read = {(home[net.makers[v].name], home[node.name]) for node in net.nodes for v in node.bottoms}
    assert set(folded.edges) == {(a, b) for a, b in read if a != b}
    assert all(a < b for a, b in folded.edges)


def test_layers_that_work_in_place_share_a_box(net: Graph) -> None:
    """A box has a layer and those on its top; one of them stands alone only where it is in no block, or in another."""
    items = fold(net).items
    home = {node.name: i for i, item in enumerate(items) for box in item.boxes for node in box.nodes}
    for box in (box for item in items for box in item.boxes):
        assert all(n.bottoms[0].blob == n.tops[0].blob == box.nodes[0].tops[0].blob for n in box.nodes[1:])
        first = box.nodes[0]
        if first.tops and len(first.bottoms) == 1 and first.bottoms[0].blob == first.tops[0].blob:
            assert home[first.name] != home[net.makers[first.bottoms[0]].name]


# The stages of the papers, and what their blocks are.
RESIDUAL = {
    "SE-ResNet-50": (3, 4, 6, 3),
    "SE-ResNet-101": (3, 4, 23, 3),
    "SE-ResNet-152": (3, 8, 36, 3),
    "SE-ResNeXt-50": (3, 4, 6, 3),
    "SE-ResNeXt-101": (3, 4, 23, 3),
    "SENet-154": (3, 8, 36, 3),
}
STAGES = {
    name: [(f"conv{s}_1 … conv{s}_{n}", n, "SEBottleneck") for s, n in enumerate(counts, 2)]
    for name, counts in RESIDUAL.items()
}
STAGES |= {
    "bvlc_googlenet": [
        ("inception_3a … inception_3b", 2, "Inception"),
        ("inception_4a … inception_4e", 5, "Inception"),
        ("inception_5a … inception_5b", 2, "Inception"),
    ],
    "SE-BN-Inception": [  # the last is like no other: it pools by MAX
        ("inception_3a … inception_3b", 2, "SEInception"),
        ("inception_3c", 1, "SEInceptionB"),
        ("inception_4a … inception_4d", 4, "SEInception"),
        ("inception_4e", 1, "SEInceptionB"),
        ("inception_5a", 1, "SEInception"),
        ("inception_5b", 1, "Inception"),
        ("inception_5b", 1, "SqueezeExcitation"),
    ],
    "resnet50_msra": [
        ("res2a … res2c", 3, "Bottleneck"),
        ("res3a … res3d", 4, "Bottleneck"),
        ("res4a … res4f", 6, "Bottleneck"),
        ("res5a … res5c", 3, "Bottleneck"),
    ],
    "squeezenet_v1_1": [("fire2 … fire3", 2, "Fire"), ("fire4 … fire5", 2, "Fire"), ("fire6 … fire9", 4, "Fire")],
    "mobilenet_ssd_voc": [
        ("conv1 … conv11", 11, "DepthwiseSeparable"),
        ("conv12 … conv13", 2, "DepthwiseSeparable"),
    ],
    "shufflenet_v2_x1_0_miaow": [
        *(
            stage
            for s, n in ((2, 4), (3, 8), (4, 4))
            for stage in (
                (f"stage_{s}_1", 1, "ShuffleUnitB"),
                (f"stage_{s}_2 … stage_{s}_{n}", n - 1, "ShuffleUnit"),
            )
        )
    ],
    "bvlc_alexnet": [],
}


@pytest.mark.parametrize("name", [name for name in STAGES if name in NETS])
def test_nets_fold_by_the_stages_of_their_papers(name: str) -> None:
    found = [item for item in fold(load(NETS[name])).items if isinstance(item, Group)]
    assert [(g.title, len(g.parts), g.kind) for g in found] == STAGES[name]


def test_large_nets_become_small_pictures() -> None:
    graph = load(MODELS / "SENet-154.prototxt")
    folded = fold(graph)
    assert len(graph.nodes) == 930
    assert len(folded.items) < 16
    assert [kind for kind, _ in kinds(folded)] == ["SEBottleneck"] * 2  # with and without a projection


TAIL = [f"t{i}<{'a/sum' if i == 0 else f't{i - 1}'}" for i in range(12)]
FOLDS = {
    "branches that come once": ([*residual("a", "data"), *TAIL], [("a", 1, 3)]),
    "branches that are most of the net are not folded": (residual("a", "data", 4), []),
    "two blocks": (
        [*residual("a", "data"), *residual("b", "a/sum"), *residual("c", "b/sum"), *residual("d", "c/sum")],
        [("a … d", 4, 3)],
    ),
    "a block that something else leads into is another": (
        [
            *residual("a", "data"),
            *residual("b", "a/sum"),
            *residual("c", "b/sum+data"),
            *residual("d", "c/sum"),
            *residual("e", "d/sum"),
            *residual("f", "e/sum"),
        ],
        [("a … b", 2, 3), ("d … f", 3, 3)],
    ),
    "blocks in which a layer is read from outside are others": (
        [
            *residual("a", "data"),
            *residual("b", "a/sum"),
            *residual("c", "b/sum"),
            *residual("d", "c/sum"),
            *residual("e", "d/sum"),
            "f<e/sum+b/0",
        ],
        [("a", 1, 3), ("c … e", 3, 3)],
    ),
    "the first of blocks between which and their end the input is added": (
        [
            *residual("a", "data"),
            *residual("b", "a/sum"),
            *residual("c", "b/sum"),
            *residual("d", "c/sum"),
            "all<d/sum+data",
        ],
        [("a … d", 4, 3)],
    ),
}


@pytest.mark.parametrize(("layers", "expected"), FOLDS.values(), ids=FOLDS.keys())
def test_folds(layers: list[str], expected: list[tuple[str, int, int]]) -> None:
    assert groups(graph_of(chain(*layers))) == expected


# The title, the blocks, and the layers in the first; single boxes are folded only where many are equal.
ARCHITECTURE_FOLDS = {
    "vdsr": [("conv1 … conv9", 9, 2)],
    "edsr": [("body0 … body5", 6, 4)],
    "hourglass": [("res1 … res2", 2, 11), ("hg0", 1, 76), ("post0", 1, 10), ("hg1", 1, 76), ("post1", 1, 10)],
}


@pytest.mark.parametrize("name", ARCHITECTURE_FOLDS)
def test_architectures_fold(name: str) -> None:
    assert groups(graph_of(str(ARCHITECTURES[name]()))) == ARCHITECTURE_FOLDS[name]


def test_boxes_do_not_overlap_and_hold_their_text(drawn: ET.Element) -> None:
    found = list(boxes(drawn))
    assert [(a.hint, b.hint) for a, b in combinations(found, 2) if a.overlaps(b)] == []
    for box in found:
        assert box.x >= 0 and box.x + box.width <= float(drawn.attrib["width"])
        assert box.y >= 0 and box.y + box.height <= float(drawn.attrib["height"])
        for text, x, baseline in box.lines:
            letters = sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
            assert box.x <= x and x + letters * LETTER <= box.x + box.width, text
            assert box.y <= baseline - ASCENT and baseline + DESCENT <= box.y + box.height, text


def test_a_picture_tells_every_layer(net: Graph, drawn: ET.Element) -> None:
    """A layer is a line of a box, or a line of the tool tip of the block that it is folded in."""
    overview = next(e for e in drawn.iter() if e.get("class") == "panel")
    told = Counter(line.split(": ")[0] for box in boxes(overview) for line in box.hint.split("\n"))
    assert {node.name for node in net.nodes if not told[node.name]} == set()


def test_boxes_show_shape_and_parameters() -> None:
    graph = load(MODELS / "SENet-154.prototxt")
    first, *_, last = [box for box in boxes(ET.fromstring(to_svg(graph))) if box.style == "box"][1:13]
    assert [text for text, _, _ in first.lines][:2] == [
        "conv1_1/3x3_s2",
        "Convolution 64 3x3/2 pad 1; 1,728 parameters",
    ]
    assert first.lines[-1][0] == "→ 1 × 64 × 112 × 112"
    assert last.lines[-1][0].startswith("→ ")
    four = next(box for box in boxes(ET.fromstring(to_svg(graph))) if box.lines[0][0] == "conv4_1 … conv4_36")
    owned = sum(w.count for node in graph.nodes for w in node.weights if node.name.startswith("conv4_"))
    assert [text for text, _, _ in four.lines][1:] == [
        "36 × SEBottleneck of 18 to 21 layers",
        f"{owned:,} parameters",
        "→ 1 × 1024 × 14 × 14",
    ]


def test_names_are_text() -> None:
    graph = graph_of(NASTY_NET)
    root = ET.fromstring(to_svg(graph))
    names = {text for box in boxes(root) for text, _, _ in box.lines}
    assert {NASTY, "</svg><script>alert(1)</script>", "|*_`~ 汉字 � {% raw %}"} <= names
    assert not any("script" in element.tag for element in root.iter())
    page = Page.of(to_html(graph))
    assert [cells[1] for cells in page.tables["layers"]] == [n.name for n in graph.nodes]
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 1
    assert page.texts["h1"] == ["n<i>&amp;'s"]


def test_long_texts_lose_their_middle() -> None:
    assert shortened("x" * 56) == "x" * 56
    assert shortened("begin" + "x" * 90 + "end", 20) == "begin" + "x" * 4 + "…" + "x" * 7 + "end"
    assert shortened("汉" * 40, 20) == "汉" * 4 + "…" + "汉" * 5


def test_shades_colour_layers_and_blocks() -> None:
    graph = graph_of(
        chain(
            *residual("a", "data"),
            *residual("b", "a/sum"),
            *residual("c", "b/sum"),
            *residual("d", "c/sum"),
            "end<d/sum",
        )
    )
    shades = {5: Shade("e5", "far off", 2.0, fault=True), 2: Shade("e0", "near"), 13: Shade("e1", "so so")}
    root = ET.fromstring(to_svg(graph, shades=shades))
    found = {}
    for box in root.iter():
        if box.get("class") in ("box", "group"):
            name = next(e.text for e in box if e.tag.endswith("text"))
            found[name] = [e.get("class") for e in box if e.tag.endswith("rect")]
    assert found["a … d"] == ["e5 fault"]
    assert found["end"] == [None, "shade e1"]
    assert found["a/1"] == [None, "shade e0"]


@pytest.mark.parametrize("make", [to_svg, to_html], ids=["svg", "html"])
@pytest.mark.parametrize("name", ["SENet-154", "SE-BN-Inception"])
def test_nothing_comes_from_outside_and_sizes_are_bounded(make: object, name: str, tmp_path: Path) -> None:
    assert callable(make)
    text = make(load(MODELS / f"{name}.prototxt"), tmp_path / "out")
    assert outside(text) == []
    assert len((tmp_path / "out").read_bytes()) < 1_000_000
    assert (tmp_path / "out").read_text(encoding="utf-8").rstrip("\n") == text.rstrip("\n")


def test_a_page_has_every_layer_and_its_links_lead_somewhere(net: Graph) -> None:
    page = Page.of(to_html(net))
    assert [cells[1] for cells in page.tables["layers"]] == [node.name for node in net.nodes]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert (
        {link.removeprefix("#") for link in page.values("href")}
        == {f"block-{i}" for i, item in enumerate(fold(net).items) if isinstance(item, Group)}
        <= set(ids)
    )
    parts = sum(len(item.parts) for item in fold(net).items if isinstance(item, Group))
    assert len(page.of_class("net")) == 1 + parts


def test_every_block_can_be_opened() -> None:
    graph = load(MODELS / "SENet-154.prototxt")
    page = Page.of(to_html(graph))
    names = Counter(page.texts["text"])
    assert {n.name for n in graph.nodes if not names[n.name]} == set()
    assert sum(a.get("class") == "part" for tag, a in page.elements if tag == "details") == 3 + 8 + 36 + 3


def test_layout_keeps_sizes_and_order() -> None:
    placed = lay_out([(100, 40), (60, 20), (80, 30)], [(0, 1), (1, 2), (0, 2)])
    tops = [y for _, y in placed.corners]
    assert tops[0] == 0 and tops[1] > 40 and tops[2] > tops[1] + 20
    assert placed.height == pytest.approx(tops[2] + 30)
    assert len(placed.arrows) == 3
    for (tail, head), path in zip([(0, 1), (1, 2), (0, 2)], placed.arrows, strict=True):
        start, tip = path[1:].split("C")[0], path.split("L")[1]
        assert float(start.split(",")[1]) == pytest.approx(tops[tail] + [40, 20, 30][tail], abs=0.6)
        assert float(tip.split(",")[1]) == pytest.approx(tops[head], abs=0.6)


def test_tangled_nets_are_laid_out_too() -> None:
    graph = graph_of(chain("d0<data", "d1<d0", *(f"d{i}<" + "+".join(f"d{j}" for j in range(i)) for i in range(2, 16))))
    root = ET.fromstring(to_svg(graph))
    found = list(boxes(root))
    assert len(found) == 17
    assert sum(e.get("class") == "arrow" for e in root.iter()) == 1 + 15 * 16 // 2
    assert not any(a.overlaps(b) for a, b in combinations(found, 2))


@pytest.mark.parametrize(("module", "make"), [("pygraphviz", to_svg), ("jinja2", to_html)], ids=["svg", "html"])
def test_what_is_not_installed_is_named(module: str, make: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(make)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CaffeError, match=rf"need {module}: pip install 'caffe2py\[report\]'"):
        make(graph_of(chain("a<data")))


def test_show_writes_pictures(tmp_path: Path) -> None:
    done = command("show", MODELS / "SE-ResNet-50.prototxt", "--svg", tmp_path / "n.svg", "--html", tmp_path / "n.html")
    assert (done.status, done.out.split(",")[0]) == (0, "309 layers")
    assert ET.parse(tmp_path / "n.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert len(Page.of((tmp_path / "n.html").read_text(encoding="utf-8")).tables["layers"]) == 309
    failed = command("show", MODELS / "SE-ResNet-50.prototxt", "--svg", tmp_path / "none" / "n.svg")
    assert (failed.status, failed.err.strip()) == (
        1,
        f'caffe2py: {tmp_path}/none/n.svg: there is no folder "{tmp_path}/none" to write to',
    )
