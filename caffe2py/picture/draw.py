"""The picture as SVG: the net with its blocks folded, and each kind of block once, unfolded, beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as ET

from caffe2py.graph import Graph
from caffe2py.picture.cards import LETTER, LINE, PAD, Card, Shades, clean, entry_card, item_card, letters_of, shortened
from caffe2py.picture.fold import Box, Folded, Group, Part, edges_between, fold
from caffe2py.picture.layout import lay_out
from caffe2py.proto.disk.files import written_whole

GAP = 28  # pixels between panels
TITLE = 13 / 11  # the letters of titles against the others


@dataclass(frozen=True)
class Panel:
    """Cards with arrows between them, as SVG elements."""

    width: float
    height: float
    parts: tuple[ET.Element, ...]


def to_svg(graph: Graph, path: str | os.PathLike[str] | None = None, shades: Shades | None = None) -> str:
    """The net as one SVG, also as a file: repeated blocks are folded, and each kind of block is drawn once beside it.

    A box holds a layer and those that work in place on its top: names, types with their parameters, how many values
    they learn; below them the shape of the top. `shades` colours layers by their positions in the net. Raises
    `CaffeError` where pygraphviz (extra `report`) is not installed.
    """
    folded = fold(graph)
    panels = [(graph.name, overview(graph, folded, shades or {}))]
    for (kind, _), part in kinds(folded).items():
        panels.append((f"{kind}: {part.title}", detail(graph, part.boxes, shades or {})))
    made = sheet(panels)
    if path is not None:
        with written_whole(path) as temporary:
            Path(temporary).write_text(made + "\n", encoding="utf-8")
    return made


def sheet(panels: Sequence[tuple[str, Panel]]) -> str:
    """Panels with titles as one SVG that needs nothing else."""
    root = _side_by_side(panels)
    style = ET.Element("style")
    style.text = style_sheet()
    root.insert(0, style)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    return ET.tostring(root, encoding="unicode")


def style_sheet() -> str:
    """The colours and letters of pictures, light and dark."""
    return files("caffe2py.picture").joinpath("templates", "picture.css").read_text(encoding="utf-8")


def kinds(folded: Folded) -> dict[tuple[str, Hashable], Part]:
    """The first block of each kind, and of those of a kind that have more layers than others, or fewer."""
    found: dict[tuple[str, Hashable], Part] = {}
    for group in (item for item in folded.items if isinstance(item, Group)):
        for part in group.parts:
            found.setdefault((group.kind, part.types), part)
    return found


def overview(graph: Graph, folded: Folded, shades: Shades, links: bool = False) -> Panel:
    """The net, its blocks folded; with `links` a folded block leads to the element `block-N`, N its position."""
    cards = [item_card(graph, item, shades, f"#block-{i}" if links else "") for i, item in enumerate(folded.items)]
    return drawn(cards, folded.edges)


def detail(graph: Graph, boxes: Sequence[Box], shades: Shades) -> Panel:
    """Some boxes of a net, unfolded, below the blobs that they read from outside."""
    made = {v for box in boxes for node in box.nodes for v in node.tops}
    entries = list(dict.fromkeys(v for box in boxes for node in box.nodes for v in node.bottoms if v not in made))
    readers = [{i for i, box in enumerate(boxes) for node in box.nodes if v in node.bottoms} for v in entries]
    n = len(entries)
    edges = [(e, n + i) for e, found in enumerate(readers) for i in sorted(found)]
    edges += [(n + a, n + b) for a, b in edges_between(boxes)]
    return drawn([*(entry_card(graph, v) for v in entries), *(item_card(graph, box, shades) for box in boxes)], edges)


def svg(panel: Panel, label: str) -> str:
    """A panel as an SVG element for a page that has the style sheet."""
    root = _root(panel.width + 2, panel.height + 2, label)
    ET.SubElement(root, "g", transform="translate(1 1)").extend(panel.parts)
    return ET.tostring(root, encoding="unicode")


def drawn(cards: Sequence[Card], edges: Sequence[tuple[int, int]]) -> Panel:
    """Cards laid out from top to bottom, with arrows between them."""
    placed = lay_out([card.size for card in cards], edges)
    boxes = [_card(card, *corner) for card, corner in zip(cards, placed.corners, strict=True)]
    return Panel(placed.width, placed.height, (*map(_arrow, placed.arrows), *boxes))


def _card(card: Card, x: float, y: float) -> ET.Element:
    width, height = card.size
    outer = ET.Element("a", {"href": card.link}) if card.link else ET.Element("g")
    outer.attrib.update({"class": card.style, "transform": f"translate({x:g} {y:g})"})
    ET.SubElement(outer, "title").text = card.hint
    ET.SubElement(outer, "rect", _rect(0, 0, width, height, card.shade.style if card.shade else "", rx="4"))
    for shade, lines in groupby(enumerate(card.lines), key=lambda numbered: numbered[1].shade):
        rows = [n for n, _ in lines]
        if shade:
            where = _rect(1, PAD + rows[0] * LINE, width - 2, len(rows) * LINE, f"shade {shade.style}")
            ET.SubElement(outer, "rect", where)
    for n, line in enumerate(card.lines):
        style = {"class": line.style} if line.style else {}
        ET.SubElement(outer, "text", {"x": f"{PAD}", "y": f"{PAD + n * LINE + 11}", **style}).text = line.text
    return outer


def _rect(x: float, y: float, width: float, height: float, style: str, **more: str) -> dict[str, str]:
    made = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{height:g}", **more}
    return {**made, "class": style} if style else made


def _arrow(path: str) -> ET.Element:
    """A line along the path, and a head at its tip."""
    x0, y0, x, y = map(float, re.split("[ ,L]", path.rsplit(" ", 1)[1]))
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 0.1)
    dx, dy = (x - x0) / length * 8, (y - y0) / length * 8  # the head is 8 pixels long and 6 wide
    left, right = (x - dx - dy * 0.4, y - dy + dx * 0.4), (x - dx + dy * 0.4, y - dy - dx * 0.4)
    head = "".join(f"L{a:.1f},{b:.1f}" for a, b in (left, right))
    arrow = ET.Element("g", {"class": "arrow"})
    ET.SubElement(arrow, "path", {"d": path})
    ET.SubElement(arrow, "path", {"d": f"M{x:g},{y:g}{head}Z", "class": "head"})
    return arrow


def _root(width: float, height: float, label: str) -> ET.Element:
    size = {"width": f"{width:g}", "height": f"{height:g}", "viewBox": f"0 0 {width:g} {height:g}"}
    return ET.Element("svg", {**size, "class": "net", "role": "img", "aria-label": clean(label)})


def _side_by_side(panels: Sequence[tuple[str, Panel]]) -> ET.Element:
    """Panels with titles, in columns no higher than the highest of them."""
    tallest = max(panel.height for _, panel in panels) + 2 * GAP
    made: list[ET.Element] = []
    left, top, wide, high = float(GAP), 0.0, 0.0, 0.0
    for title, panel in panels:
        if top and top + panel.height + 2 * GAP > tallest:
            left, top, wide = left + wide + 2 * GAP, 0.0, 0.0
        said = shortened(clean(title))
        inner = ET.Element("g", {"class": "panel", "transform": f"translate({left:g} {top + GAP:g})"})
        ET.SubElement(inner, "text", {"class": "title", "x": "0", "y": "-8"}).text = said
        inner.extend(panel.parts)
        made.append(inner)
        wide = max(wide, panel.width, letters_of(said) * LETTER * TITLE)
        top += panel.height + 2 * GAP
        high = max(high, top)
    root = _root(left + wide + GAP, high, panels[0][0])
    root.append(ET.Element("rect", {"class": "paper", "width": "100%", "height": "100%"}))
    root.extend(made)
    return root
