"""What a picture says of a net's boxes: the lines of text, the tool tips, and the colours of layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from unicodedata import east_asian_width

from caffe2py.graph import Graph, Node, Value
from caffe2py.layers.base import Shape
from caffe2py.picture.fold import Box, Group, Item

LETTER = 6.7  # pixels: more than 0.602 em, the width of the letters of common fixed-width fonts, at 11 pixels
LINE, PAD = 15, 7  # pixels
WIDEST = 56  # letters; longer lines lose their middle, and are whole in the tool tip


@dataclass(frozen=True)
class Shade:
    """The colour of a layer: its class in the style sheet, what the tool tip says, and which of several counts.

    A `fault` has a rim, and is seen at once where a page folds the others.
    """

    colour: str
    said: str
    rank: float = 0.0
    fault: bool = False

    @property
    def style(self) -> str:
        return f"{self.colour} fault" if self.fault else self.colour


Shades = Mapping[int, Shade]  # by the layer's position in the net


def worst(shades: Shades, indices: Sequence[int]) -> Shade | None:
    """The colour that counts for some layers together; None where none has one."""
    return max((shades[i] for i in indices if i in shades), key=lambda shade: shade.rank, default=None)


@dataclass(frozen=True)
class Line:
    """A line of text, its class in the style sheet, and the colour behind it."""

    text: str
    style: str = ""
    shade: Shade | None = None


@dataclass(frozen=True)
class Card:
    """A box as it is drawn: its lines, the tool tip, its class, its colour, and where a click leads."""

    lines: tuple[Line, ...]
    hint: str
    style: str
    shade: Shade | None = None
    link: str = ""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        letters = max(letters_of(line.text) for line in self.lines)
        return letters * LETTER + 2 * PAD, len(self.lines) * LINE + 2 * PAD


def item_card(graph: Graph, item: Item, shades: Shades, link: str = "") -> Card:
    """A box with each layer in it, or a folded group; `link` is where a click on a group leads."""
    return _group(graph, item, shades, link) if isinstance(item, Group) else _box(graph, item, shades)


def entry_card(graph: Graph, value: Value) -> Card:
    """A blob that comes from outside of what is drawn."""
    return _card([Line(value.blob, "name"), Line(shapes_text([graph.shapes[value]]), "shape")], [value.blob], "entry")


def _box(graph: Graph, box: Box, shades: Shades) -> Card:
    lines: list[Line] = []
    hint: list[str] = []
    for node, i in zip(box.nodes, box.indices, strict=True):
        shade = shades.get(i)
        lines += [Line(node.name, "name", shade), Line(what(node), "", shade)]
        hint += [f"{node.name}: {what(node)}", *([shade.said] if shade else [])]
    lines.append(Line(tops_text(graph, box), "shape"))
    return _card(lines, hint, "box")


def _group(graph: Graph, group: Group, shades: Shades, link: str) -> Card:
    nodes = [node for box in group.boxes for node in box.nodes]
    lines = [
        Line(group.title, "name"),
        Line(size_text(group)),
        Line(parameters(nodes)),
        Line(tops_text(graph, group), "shape"),
    ]
    shade = worst(shades, group.indices)
    hint = [*([shade.said] if shade else []), *(f"{node.name}: {what(node)}" for node in nodes)]
    return replace(_card(lines, hint, "group"), shade=shade, link=link)


def _card(lines: Sequence[Line], hint: Sequence[str], style: str) -> Card:
    shown = tuple(replace(line, text=shortened(clean(line.text))) for line in lines)
    return Card(shown, "\n".join(map(clean, hint)), style)


def size_text(group: Group) -> str:
    """`7 × SEBottleneck of 18 layers`; `of 18 to 21` where some have a projection."""
    times = f"{len(group.parts)} × " if len(group.parts) > 1 else ""
    sizes = [sum(len(box.nodes) for box in part.boxes) for part in group.parts]
    most = f" to {max(sizes)}" if max(sizes) > min(sizes) else ""
    return f"{times}{group.kind} of {min(sizes)}{most} layers"


def what(node: Node) -> str:
    """`Convolution 64 7x7/2; 9,408 parameters`"""
    said = f"{node.type} {node.layer.summary()}".strip()
    return f"{said}; {parameters([node])}" if node.weights else said


def parameters(nodes: Sequence[Node]) -> str:
    """How many learned values some layers own."""
    owned = (w.count for node in nodes for i, w in enumerate(node.weights) if w.owner == (node.key, i))
    return f"{sum(owned):,} parameters"


def tops_text(graph: Graph, item: Item) -> str:
    """The shapes that an item makes, as they stand after its last layer."""
    tops = item.boxes[-1].nodes[-1].tops
    return f"→ {shapes_text(graph.shapes_of(tops))}" if tops else "no top"


def shapes_text(shapes: Sequence[Shape | None]) -> str:
    """`1 × 64 × 56 × 56`; of many shapes the first ones."""
    said = ["?" if s is None else " × ".join(map(str, s)) or "one value" for s in shapes]
    return ", ".join(said) if len(said) <= 3 else f"{said[0]}, {said[1]} and {len(said) - 2} more"


def clean(said: str) -> str:
    """Text on one line, without what XML cannot hold."""
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "\ufffd", re.sub(r"[\t\r\n]+", " ", said))


def letters_of(said: str) -> int:
    """Letters of room that a text takes: those of East Asia take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in said)


def shortened(said: str, most: int = WIDEST) -> str:
    """A text without its middle where it is too long."""
    if letters_of(said) <= most:
        return said
    head, tail = said[: most // 2], said[-(most // 2) :]
    while letters_of(head) + letters_of(tail) > most - 1:
        head, tail = (head[:-1], tail) if letters_of(head) >= letters_of(tail) else (head, tail[1:])
    return f"{head}…{tail}"
