"""The picture as SVG: boxes with the layers in them, folded blocks as one box, and each kind of block once beside the net."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

from caffe2py.graph import Graph, Node
from caffe2py.layers.base import Shape
from caffe2py.picture.fold import Box, Folded, Group, Item, edges_between, fold, part_title
from caffe2py.picture.layout import lay_out
from caffe2py.proto.files import written_whole

LETTER = 6.7  # pixels: more than 0.602 em, the width of the letters of common fixed-width fonts, at 11 pixels
LINE, PAD, GAP = 15, 7, 28  # pixels
WIDEST = 56  # letters; longer lines lose their middle, and are whole in the tool tip


@dataclass(frozen=True)
class Shade:
    """The colour of a layer: a class of the style sheet, what to say of it, and which of several colours counts."""

    style: str
    said: str
    rank: float = 0.0


@dataclass(frozen=True)
class Line:
    """A line of text in a box, the layer it is about (by position), and its class in the style sheet."""

    text: str
    style: str = ""
    layer: int | None = None


@dataclass(frozen=True)
class Card:
    """A box as it is drawn: its lines, what the tool tip says, and where a click leads."""

    lines: tuple[Line, ...]
    hint: str
    style: str = ""
    link: str = ""
    shades: Mapping[int, Shade] = field(default_factory=dict)

    @property
    def size(self) -> tuple[float, float]:
        letters = max(width_of(line.text) for line in self.lines)
        return letters * LETTER + 2 * PAD, len(self.lines) * LINE + 2 * PAD


@dataclass(frozen=True)
class Panel:
    """Cards with arrows between them, drawn; `parts` are the SVG elements, in its own coordinates."""

    width: float
    height: float
    parts: tuple[ET.Element, ...]


def to_svg(graph: Graph, path: str | os.PathLike[str] | None = None, shades: Mapping[int, Shade] | None = None) -> str:
    """The net as one SVG, with repeated blocks folded and each kind of block drawn once beside it; also as a file.

    A box has the layers that work on one blob, in place but the first: name, type with parameters, count of learned
    values; below them the shape of the top. `shades` colours layers by their position in the net. Raises `CaffeError`
    where pygraphviz (extra `report`) is not installed.
    """
    folded = fold(graph)
    panels = [(graph.name, overview(graph, folded, shades or {}))]
    for kind, part in kinds(folded).items():
        panels.append((f"block {kind}: {part_title(part)}", detail(graph, part, shades or {})))
    root = _side_by_side(panels)
    style = ET.Element("style")
    style.text = style_sheet()
    root.insert(0, style)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    made = ET.tostring(root, encoding="unicode")
    if path is not None:
        with written_whole(path) as temporary:
            Path(temporary).write_text(made, encoding="utf-8")
    return made


def style_sheet() -> str:
    """The colours and letters of pictures, light and dark."""
    return files("caffe2py.picture").joinpath("templates", "picture.css").read_text(encoding="utf-8")


def kinds(folded: Folded) -> dict[str, tuple[Box, ...]]:
    """The first block of each kind."""
    found: dict[str, tuple[Box, ...]] = {}
    for item in folded.items:
        if isinstance(item, Group):
            found.setdefault(item.kind, item.parts[0])
    return found


def overview(graph: Graph, folded: Folded, shades: Mapping[int, Shade], links: bool = False) -> Panel:
    """The net, its blocks folded; with `links` a folded block leads to the element `block-N`, N its position."""
    cards = [
        group_card(graph, item, shades, f"#block-{i}" if links else "")
        if isinstance(item, Group)
        else box_card(graph, item, shades)
        for i, item in enumerate(folded.items)
    ]
    return draw(cards, folded.edges)


def detail(graph: Graph, boxes: Sequence[Box], shades: Mapping[int, Shade]) -> Panel:
    """Some boxes of a net, unfolded, below the blobs that they read from outside."""
    made = {v for box in boxes for node in box.nodes for v in node.tops}
    read = dict.fromkeys(v for box in boxes for node in box.nodes for v in node.bottoms if v not in made)
    cards = [Card((Line(v.blob, "name"), Line(shapes_text([graph.shapes[v]]), "shape")), "", "entry") for v in read]
    into = [
        (i, len(read) + j)
        for i, v in enumerate(read)
        for j, box in enumerate(boxes)
        if any(v in node.bottoms for node in box.nodes)
    ]
    inside = [(len(read) + a, len(read) + b) for a, b in edges_between(graph, boxes)]
    return draw([*cards, *(box_card(graph, box, shades) for box in boxes)], [*into, *inside])


def box_card(graph: Graph, box: Box, shades: Mapping[int, Shade]) -> Card:
    lines: list[Line] = []
    for node, i in zip(box.nodes, box.indices, strict=True):
        lines += [Line(node.name, "name", i), Line(what(node), "", i)]
    lines.append(Line(tops_text(graph, box), "shape"))
    return Card(tuple(lines), "", "box", "", {i: shades[i] for i in box.indices if i in shades})


def group_card(graph: Graph, group: Group, shades: Mapping[int, Shade], link: str) -> Card:
    times = f"{len(group.parts)} × " if len(group.parts) > 1 else ""
    one = sum(len(box.nodes) for box in group.parts[0])
    lines = (
        Line(group.title, "name"),
        Line(f"{times}block {group.kind} of {one} layers"),
        Line(parameters([node for box in group.boxes for node in box.nodes])),
        Line(tops_text(graph, group.boxes[-1]), "shape"),
    )
    hint = "\n".join(f"{node.name}: {what(node)}" for box in group.boxes for node in box.nodes)
    worst = max((shades[i] for i in group.indices if i in shades), key=lambda shade: shade.rank, default=None)
    return Card(lines, hint, "group", link, {} if worst is None else {-1: worst})


def what(node: Node) -> str:
    """`Convolution 64 7x7/2, 9,408 parameters`"""
    said = f"{node.type} {node.layer.summary()}".strip()
    return f"{said}; {parameters([node])}" if node.weights else said


def parameters(nodes: Sequence[Node]) -> str:
    owned = (w.count for node in nodes for i, w in enumerate(node.weights) if w.owner == (node.name, i))
    return f"{sum(owned):,} parameters"


def tops_text(graph: Graph, item: Item) -> str:
    """The shapes that a box makes, as they stand after its last layer."""
    tops = item.boxes[-1].nodes[-1].tops
    return f"→ {shapes_text(graph.shapes_of(tops))}" if tops else "no top"


def shapes_text(shapes: Sequence[Shape | None]) -> str:
    """`1 × 64 × 56 × 56`; of many shapes the first ones."""
    said = ["?" if s is None else " × ".join(map(str, s)) or "one value" for s in shapes]
    return ", ".join(said) if len(said) <= 3 else f"{said[0]}, {said[1]} and {len(said) - 2} more"


def draw(cards: Sequence[Card], edges: Sequence[tuple[int, int]]) -> Panel:
    """Cards laid out from top to bottom, with the arrows between them."""
    made = [_clipped(card) for card in cards]
    placed = lay_out([card.size for card in made], edges)
    parts = [_arrow(d) for d in placed.arrows]
    parts += [_box(card, *corner) for card, corner in zip(made, placed.corners, strict=True)]
    return Panel(placed.width, placed.height, tuple(parts))


def svg(panel: Panel, label: str) -> str:
    """A panel as an SVG element for a page that has the style sheet."""
    root = _root(panel.width + 2, panel.height + 2, label)
    inner = ET.SubElement(root, "g", transform="translate(1 1)")
    inner.extend(panel.parts)
    return ET.tostring(root, encoding="unicode")


def clean(said: str) -> str:
    """Text without what neither XML nor a line can hold."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "\ufffd", re.sub(r"[\t\r\n]+", " ", said))


def width_of(said: str) -> int:
    """Letters of room that a text takes: those of East Asia take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in said)


def shortened(said: str, most: int = WIDEST) -> str:
    """A text without its middle where it is too long."""
    if width_of(said) <= most:
        return said
    head, tail = said[: most // 2], said[-(most // 2) :]
    while width_of(head) + width_of(tail) > most - 1:
        head, tail = (head[:-1], tail) if width_of(head) >= width_of(tail) else (head, tail[1:])
    return f"{head}…{tail}"


def _clipped(card: Card) -> Card:
    lines = tuple(Line(shortened(clean(line.text)), line.style, line.layer) for line in card.lines)
    hint = card.hint or "\n".join(line.text for line in card.lines)
    return Card(lines, "\n".join(map(clean, hint.split("\n"))), card.style, card.link, card.shades)


def _box(card: Card, x: float, y: float) -> ET.Element:
    width, height = card.size
    outer = ET.Element("a", href=card.link) if card.link else ET.Element("g")
    outer.set("class", card.style)
    outer.set("transform", f"translate({x:g} {y:g})")
    whole = card.shades.get(-1)
    ET.SubElement(outer, "title").text = "\n".join([card.hint, *_told(card)])
    ET.SubElement(
        outer,
        "rect",
        {"width": f"{width:g}", "height": f"{height:g}", "rx": "4", "class": whole.style if whole else ""},
    )
    for i, shade in card.shades.items():
        rows = [n for n, line in enumerate(card.lines) if line.layer == i]
        if rows:
            where = {
                "x": "1",
                "y": f"{PAD + rows[0] * LINE:g}",
                "width": f"{width - 2:g}",
                "height": f"{len(rows) * LINE}",
            }
            ET.SubElement(outer, "rect", {**where, "class": f"shade {shade.style}"})
    for n, line in enumerate(card.lines):
        shade = card.shades.get(-1 if line.layer is None else line.layer) if line.layer is not None or whole else None
        style = " ".join(filter(None, [line.style, f"on-{shade.style}" if shade else ""]))
        where = {"x": f"{PAD}", "y": f"{PAD + n * LINE + 11:g}", **({"class": style} if style else {})}
        ET.SubElement(outer, "text", where).text = line.text
    return outer


def _told(card: Card) -> list[str]:
    return [clean(shade.said) for shade in card.shades.values()]


def _arrow(d: str) -> ET.Element:
    """A line along the path, and a head at its tip."""
    x0, y0, x1, y1 = map(float, re.split("[ ,L]", d.rsplit(" ", 1)[1]))
    length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 0.1)
    dx, dy = (x1 - x0) / length * 8, (y1 - y0) / length * 8
    head = f"M{x1:g},{y1:g}L{x1 - dx - dy / 2.5:.1f},{y1 - dy + dx / 2.5:.1f}L{x1 - dx + dy / 2.5:.1f},{y1 - dy - dx / 2.5:.1f}Z"
    arrow = ET.Element("g", {"class": "arrow"})
    ET.SubElement(arrow, "path", d=d)
    ET.SubElement(arrow, "path", {"d": head, "class": "head"})
    return arrow


def _root(width: float, height: float, label: str) -> ET.Element:
    root = ET.Element("svg", width=f"{width:g}", height=f"{height:g}", viewBox=f"0 0 {width:g} {height:g}")
    root.set("class", "net")
    root.set("role", "img")
    root.set("aria-label", clean(label))
    return root


def _side_by_side(panels: Sequence[tuple[str, Panel]]) -> ET.Element:
    """Panels with titles in columns no higher than the highest of them."""
    tallest = max(panel.height for _, panel in panels) + GAP
    made: list[ET.Element] = []
    x, y, wide, high = GAP, 0.0, 0.0, 0.0
    for title, panel in panels:
        if y and y + panel.height + GAP > tallest:
            x, y, wide = x + wide + 2 * GAP, 0.0, 0.0
        said = shortened(clean(title))
        inner = ET.Element("g", {"class": "panel", "transform": f"translate({x:g} {y + GAP:g})"})
        ET.SubElement(inner, "text", {"class": "title", "x": "0", "y": "-8"}).text = said
        inner.extend(panel.parts)
        made.append(inner)
        wide = max(wide, panel.width, width_of(said) * LETTER * 1.2)
        y += panel.height + 2 * GAP
        high = max(high, y)
    root = _root(x + wide + GAP, high, panels[0][0])
    root.append(ET.Element("rect", {"class": "paper", "width": "100%", "height": "100%"}))
    root.extend(made)
    return root
