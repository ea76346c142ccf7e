"""The net as one HTML page: the picture with blocks that open, and every layer in a table that sorts and filters.

A page is one file. It asks for nothing from outside, and its policy forbids it to; its one script is in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe2py.graph import Graph
from caffe2py.picture.cards import Shades, parameters, shapes_text, size_text, tops_text, worst
from caffe2py.picture.draw import detail, overview, svg
from caffe2py.picture.extras import PAGES, require
from caffe2py.picture.fold import Group, fold
from caffe2py.proto.disk.files import written_whole
from caffe2py.version import __version__

WIDE = 700  # pixels: an overview that is wider has its blocks above it, not beside it


@dataclass(frozen=True)
class Part:
    """One block, unfolded. `style` is the colour of its worst layer; `open` says that it is to be seen at first."""

    title: str
    svg: str
    style: str
    open: bool


@dataclass(frozen=True)
class Block:
    """A folded item of the picture, and what is in it. `anchor` is what its box in the overview leads to."""

    anchor: str
    title: str
    said: str
    parts: tuple[Part, ...]
    style: str
    open: bool


@dataclass(frozen=True)
class Picture:
    """A net as SVG text: the overview, and the blocks that are folded in it."""

    overview: str
    blocks: tuple[Block, ...]
    wide: bool  # leaves no room beside it


def picture(graph: Graph, shades: Shades | None = None) -> Picture:
    """The picture for a page; `shades` colours layers by their positions in the net."""
    folded = fold(graph)
    shades = shades or {}
    panel = overview(graph, folded, shades, links=True)
    blocks = [_block(graph, f"block-{i}", g, shades) for i, g in enumerate(folded.items) if isinstance(g, Group)]
    return Picture(svg(panel, graph.name), tuple(blocks), panel.width > WIDE)


def _block(graph: Graph, anchor: str, group: Group, shades: Shades) -> Block:
    """A group with its parts drawn; those with a fault are open, and the first where none has one."""
    whole = worst(shades, group.indices)
    faulty = whole is not None and whole.fault
    parts = []
    for i, part in enumerate(group.parts):
        shade = worst(shades, [n for box in part.boxes for n in box.indices])
        seen = shade is not None and shade.fault if faulty else i == 0
        drawn = svg(detail(graph, part.boxes, shades), part.title)
        parts.append(Part(part.title, drawn, shade.style if shade else "", seen))
    said = f"{size_text(group)}, {parameters([n for box in group.boxes for n in box.nodes])} {tops_text(graph, group)}"
    return Block(anchor, group.title, said, tuple(parts), whole.style if whole else "", faulty)


def to_html(graph: Graph, path: str | os.PathLike[str] | None = None) -> str:
    """The net as one HTML page, also as a file: the picture, its folded blocks, and the table of layers.

    Raises `CaffeError` where pygraphviz or jinja2 (extra `report`) is not installed.
    """
    table = [
        {"index": i, "row": row, "makes": f"{', '.join(row.tops)} {shapes_text(row.shapes)}".strip()}
        for i, row in enumerate(graph.rows())
    ]
    said = render("net.html", net=graph, picture=picture(graph), table=table, totals=str(graph.totals()))
    return written(said, path)


def render(template: str, packages: Iterable[str] = (), **values: Any) -> str:
    """A page from a template of this room, or of `packages`; every value is escaped, SVG text is not."""
    require(PAGES)
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader(package) for package in (*packages, "caffe2py.picture")]
    environment = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(version=__version__, **values)


def written(page: str, path: str | os.PathLike[str] | None) -> str:
    """The page, without what UTF-8 cannot hold; written to `path` where one is given."""
    page = page.encode("utf-8", "replace").decode("utf-8")
    if path is not None:
        with written_whole(path) as temporary:
            Path(temporary).write_text(page, encoding="utf-8")
    return page
