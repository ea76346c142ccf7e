"""The net as one HTML page: the picture with blocks that open, and every layer in a table that sorts and filters.

A page is one file. It asks for nothing from outside, and its policy forbids it to; its one script is in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe2py import __version__
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from caffe2py.graph.table import rows, totals
from caffe2py.picture.cards import Shades, parameters, shapes_text, size_text, tops_text
from caffe2py.picture.draw import detail, overview, svg
from caffe2py.picture.fold import Group, fold, part_title
from caffe2py.proto.files import written_whole


@dataclass(frozen=True)
class Part:
    """One block, unfolded."""

    title: str
    svg: str


@dataclass(frozen=True)
class Block:
    """A folded item of the picture, and what is in it. `anchor` is what its box in the overview leads to."""

    anchor: str
    title: str
    said: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Picture:
    """A net as SVG text: the overview, and the blocks that are folded in it."""

    overview: str
    blocks: tuple[Block, ...]


def picture(graph: Graph, shades: Shades | None = None) -> Picture:
    """The picture for a page; `shades` colours layers by their positions in the net."""
    folded = fold(graph)
    shades = shades or {}
    blocks = []
    for i, group in enumerate(folded.items):
        if isinstance(group, Group):
            titles = [part_title(part) for part in group.parts]
            drawn = [svg(detail(graph, part, shades), title) for title, part in zip(titles, group.parts, strict=True)]
            nodes = [node for box in group.boxes for node in box.nodes]
            said = f"{size_text(group)}, {parameters(nodes)} {tops_text(graph, group)}"
            blocks.append(Block(f"block-{i}", group.title, said, tuple(map(Part, titles, drawn))))
    return Picture(svg(overview(graph, folded, shades, links=True), graph.name), tuple(blocks))


def to_html(graph: Graph, path: str | os.PathLike[str] | None = None) -> str:
    """The net as one HTML page, also as a file: the picture, its folded blocks, and the table of layers.

    Raises `CaffeError` where pygraphviz or jinja2 (extra `report`) is not installed.
    """
    table = [
        {"index": i, "row": row, "makes": f"{', '.join(row.tops)} {shapes_text(row.shapes)}".strip()}
        for i, row in enumerate(rows(graph))
    ]
    said = render("net.html", net=graph, picture=picture(graph), table=table, totals=str(totals(graph)))
    return written(said, path)


def render(template: str, packages: Iterable[str] = (), **values: Any) -> str:
    """A page from a template of this room, or of `packages`; every value is escaped, SVG text is not."""
    try:
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise CaffeError("HTML pages need jinja2: pip install 'caffe2py[report]'") from None
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
