"""Where the boxes of a picture stand and how its arrows run: Graphviz's `dot`, through pygraphviz.

Graphviz has been kept for thirty years and is what such pictures are usually laid out with. pygraphviz's wheels (Linux,
macOS, Windows) carry it inside, so that no program has to be installed; it is called in this process. Only boxes
without text are handed over, so no name can be mistaken for its language, and no fonts are looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffe2py.picture.extras import PICTURES, require

TANGLED = 3  # edges to a box; where there are more, no layout is pretty, and a good one takes minutes
QUICK = {"splines": "line", "nslimit": "1", "nslimit1": "1", "mclimit": "0.01", "searchsize": "5"}
POINTS = 72.0  # an inch, in the unit of Graphviz's positions, which is one pixel here


@dataclass(frozen=True)
class Layout:
    """Left top corners of boxes, and arrows as SVG path data from their tails to their heads, in pixels."""

    width: float
    height: float
    corners: tuple[tuple[float, float], ...]
    arrows: tuple[str, ...]


def lay_out(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Layout:
    """Boxes of these widths and heights from top to bottom, each below those it depends on."""
    require(PICTURES)
    from pygraphviz import AGraph

    made = AGraph(directed=True, strict=False)
    made.graph_attr.update(rankdir="TB", nodesep="0.25", ranksep="0.35", outputorder="nodesfirst")
    made.graph_attr.update(QUICK if len(edges) > TANGLED * len(sizes) else {})
    made.node_attr.update(shape="box", fixedsize="true", label="")
    for i, (width, height) in enumerate(sizes):
        made.add_node(f"n{i}", width=repr(width / POINTS), height=repr(height / POINTS))
    for i, (tail, head) in enumerate(edges):
        made.add_edge(f"n{tail}", f"n{head}", key=str(i))
    made.layout(prog="dot")
    width, height = _numbers(made.graph_attr["bb"])[2:]
    corners = []
    for i, (w, h) in enumerate(sizes):
        x, y = _numbers(made.get_node(f"n{i}").attr["pos"])
        corners.append((round(x - w / 2, 1), round(height - y - h / 2, 1)))
    arrows = [_path(made.get_edge(f"n{a}", f"n{b}", str(i)).attr["pos"], height) for i, (a, b) in enumerate(edges)]
    return Layout(width, height, tuple(corners), tuple(arrows))


def _path(spline: str, height: float) -> str:
    """`e,X,Y X,Y X,Y ...`, a tip and Bezier points with y upwards, as SVG path data."""
    tip, *points = [
        f"{x:g},{round(height - y, 1):g}" for x, y in (_numbers(p)[-2:] for p in spline.removeprefix("e,").split())
    ]
    return f"M{points[0]}C{' '.join(points[1:])}L{tip}"


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]
