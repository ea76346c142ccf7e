"""Widths that are sums: what is put side by side is as wide as its parts together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from caffe2py.backends.torch.readable.numbers import Said, value
from caffe2py.backends.torch.readable.plan import Piece, Plan
from caffe2py.structure.parts import Parts
from caffe2py.structure.tree import Body, Region, leaves, rows


def say_sums(plan: Plan, parts: Parts) -> None:
    """Compute each argument of a class that is the width of a concatenation in it from the widths of its branches."""
    for terms in _sums(plan, parts):
        count = len(plan.block.instances)
        widths = [sum(value(term, plan.variables, i) for term in terms) for i in range(count)]
        known = {term.variable for term in terms}
        for at, variable in enumerate(plan.variables):
            if variable.values == widths and variable.place.kind == "width" and at not in known:
                _replace(plan, at, Said(terms=tuple(terms)))
                break


def _sums(plan: Plan, parts: Parts) -> Iterator[list[Said]]:
    """The widths of the branches of each concatenation, where all are known."""
    places = {leaf: k for k, leaf in enumerate(plan.block.leaves)}
    pieces = {k: piece for piece in plan.pieces for k in piece.places}
    for region in [item for row in rows(plan.block.body) for item in row if isinstance(item, Region)]:
        if parts.parts[region.join].node.type != "Concat":
            continue
        found = [_width(plan, branch, pieces, places) for branch in region.branches]
        if all(found) and len(found) > 1:
            yield [said for said in found if said is not None]


def _width(plan: Plan, branch: Body, pieces: dict[int, Piece], places: dict[int | None, int]) -> Said | None:
    """The width of a branch: of the last of its layers that tells one; of its input where none does."""
    if len(branch) > 1:
        return None
    for leaf in reversed([leaf for row in branch for leaf in leaves(row)]):
        piece = pieces.get(places[leaf])
        for role, said in zip(piece.roles(), piece.said, strict=True) if piece else ():
            if role == "out_channels":
                return said
        if piece is not None and piece.use is not None:
            return None
    first = next((p for p in plan.pieces if "in_channels" in p.roles()), None)
    return None if first is None else first.said[first.roles().index("in_channels")]


def _replace(plan: Plan, at: int, said: Said) -> None:
    """Say an argument in another way, and take it from the class's."""

    def changed(old: Said) -> Said:
        if old.terms:
            return replace(old, terms=tuple(map(changed, old.terms)))
        if old.variable is None or old.variable < at:
            return old
        return replace(old, variable=old.variable - 1)

    direct = changed(said)
    for piece in plan.pieces:
        piece.said = [direct if s == Said(variable=at) else changed(s) for s in piece.said]
    del plan.variables[at]
