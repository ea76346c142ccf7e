"""Which dimensions of a net follow its batch, or what a layer finds: proved by working out all shapes for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NoReturn

from caffe2py.errors import NetError
from caffe2py.graph.build import check_size
from caffe2py.graph.model import Graph
from caffe2py.graph.node import Node, Value
from caffe2py.layers.base import FreeShape, Misfit, Shape, text

if TYPE_CHECKING:
    import numpy as np

Axes = Mapping[Value, tuple[int, str]]  # an input, or what a layer finds -> its free axis, and the symbol of its size


class NotFree(Misfit):
    """A free size was used as a plain number."""


@dataclass(frozen=True)
class Size:
    """A dimension that is not known yet: a sum of symbols, each times a number, plus `rest`. N, or 2*N + 1.

    It can be added, multiplied and divided as long as the result is of that form. Whatever needs its number
    (a comparison, `range`, a true division) raises `NotFree`: what is computed from it would hold for one size only.
    """

    terms: tuple[tuple[str, int], ...]
    rest: int = 0

    @staticmethod
    def of(terms: Mapping[str, int], rest: int = 0) -> Any:
        """A Size, or a plain int where no symbol is left."""
        kept = tuple(sorted((symbol, n) for symbol, n in terms.items() if n))
        return Size(kept, rest) if kept else rest

    def __str__(self) -> str:
        words = [symbol if n == 1 else f"{n}*{symbol}" for symbol, n in self.terms]
        return " + ".join([*words, str(self.rest)] if self.rest else words)

    def __add__(self, other: Any) -> Any:
        terms = dict(self.terms)
        for symbol, n in _terms(other).items():
            terms[symbol] = terms.get(symbol, 0) + n
        return Size.of(terms, self.rest + _rest(other))

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Size):
            self._refuse()
        return Size.of({symbol: n * other for symbol, n in self.terms}, self.rest * other)

    def __sub__(self, other: Any) -> Any:
        return self + other * -1

    def __rsub__(self, other: Any) -> Any:
        return self * -1 + other

    def __divmod__(self, other: Any) -> tuple[Any, int]:
        if isinstance(other, Size):
            ratio = self.terms[0][1] // other.terms[0][1]
            if other * ratio == self:
                return ratio, 0
        elif other and not any(n % other for n in (self.rest, *_terms(self).values())):
            return Size.of({symbol: n // other for symbol, n in self.terms}, self.rest // other), 0
        self._refuse()

    def __floordiv__(self, other: Any) -> Any:
        return divmod(self, other)[0]

    def __mod__(self, other: Any) -> int:
        return divmod(self, other)[1]

    def _refuse(self, *_: Any) -> NoReturn:
        raise NotFree(f"needs the number behind the free size {self}; want a fixed batch")

    __radd__, __rmul__ = __add__, __mul__
    __index__ = __int__ = __float__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __truediv__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __pow__ = __neg__ = _refuse


def _terms(size: Any) -> dict[str, int]:
    return dict(size.terms) if isinstance(size, Size) else {}


def _rest(size: Any) -> int:
    return size.rest if isinstance(size, Size) else size


def candidates(graph: Graph) -> Iterator[Axes]:
    """Ways in which the inputs may share a free batch, the freest first; the last one is: not at all.

    Inputs whose first axes have one size follow one symbol. In a net with recurrent layers the batch is the second
    axis of (time, batch, ...), and the first of inputs without a time. What layers find is free beside it.
    """
    found = measured(graph)
    for axes in _batches(graph):
        yield {**axes, **found}
    yield from fixed(graph)


def fixed(graph: Graph) -> Iterator[Axes]:
    """As `candidates`, for the net's own batch."""
    if found := measured(graph):
        yield found
    yield {}


def measured(graph: Graph) -> Axes:
    """What layers find, how much of it their values decide: detections, regions, samples that are kept."""
    return {
        v: (n.layer.measured, f"N_{n.tops[0].blob}")
        for n in graph.nodes
        if n.layer.measured is not None
        for v in n.tops
    }


def _batches(graph: Graph) -> Iterator[Axes]:
    shapes = {v: shape for n in graph.nodes if n.layer.is_input for v in n.tops if (shape := graph.inputs[v.blob])}
    if any(node.layer.time_first for node in graph.nodes):
        batch = next((shape[1] for shape in shapes.values() if len(shape) > 1), 0)
        first = {v: (0, "N") for v, shape in shapes.items() if shape[0] == batch}
        yield first | {v: (1, "N") for v, shape in shapes.items() if shape[1:2] == (batch,)}
    symbols: dict[int, str] = {}
    for v, shape in shapes.items():
        symbols.setdefault(shape[0], f"N_{v.blob}" if symbols else "N")
    yield {v: (0, symbols[shape[0]]) for v, shape in shapes.items()}
    if len(symbols) > 1:
        yield {v: (0, "N") for v, shape in shapes.items() if symbols[shape[0]] == "N"}


def free_shapes(graph: Graph, axes: Axes) -> Mapping[Value, FreeShape] | None:
    """Every value's shape with the free sizes in it, None where the net does not take them.

    The shapes are worked out for several sizes of each symbol. Each dimension must come out as a sum of multiples.
    """
    try:
        own = {symbol: graph.shapes[v][axis] for v, (axis, symbol) in axes.items()}  # type: ignore[index]
        trials = [own | {symbol: n} for symbol, at in own.items() for n in (1, at + 3)]
        if len(own) > 1:
            trials.append({symbol: n + 2 + i for i, (symbol, n) in enumerate(own.items())})
        base = shapes_for(graph, graph.inputs, axes, own)
        others = {symbol: shapes_for(graph, graph.inputs, axes, own | {symbol: n + 1}) for symbol, n in own.items()}
        tried = [(trial, shapes_for(graph, graph.inputs, axes, trial)) for trial in trials]
    except NetError:
        return None
    free: dict[Value, FreeShape] = {}
    for value, shape in base.items():
        if any(len(shapes[value]) != len(shape) for shapes in others.values()):
            return None
        sizes = []
        for i, d in enumerate(shape):
            terms = {symbol: shapes[value][i] - d for symbol, shapes in others.items()}
            sizes.append(Size.of(terms, d - sum(n * own[symbol] for symbol, n in terms.items())))
        if any(shapes[value] != tuple(_number(s, trial) for s in sizes) for trial, shapes in tried):
            return None
        free[value] = tuple(sizes)
    return free


def with_batch(graph: Graph, batch: int) -> Graph:
    """The same graph for inputs of another batch size. `NetError` where the net does not take it."""
    error = None
    for axes in filter(None, _batches(graph)):
        inputs = dict(graph.inputs)
        for v, (axis, symbol) in axes.items():
            shape = inputs[v.blob]
            if shape and symbol == "N":
                inputs[v.blob] = (*shape[:axis], batch, *shape[axis + 1 :])
        try:
            return with_inputs(graph, inputs)
        except NetError as failure:
            error = error or failure
    raise error or NetError(f'net "{graph.name}" has no input whose batch could be {batch}')


def with_inputs(graph: Graph, inputs: Mapping[str, Shape | None]) -> Graph:
    """The same graph for inputs of other shapes. `NetError` where the net does not take them."""
    if inputs == graph.inputs:
        return graph
    shapes = shapes_for(graph, inputs)
    nodes = tuple(_named(node, [shapes[v] for v in node.bottoms]) for node in graph.nodes)
    return replace(graph, nodes=nodes, shapes=shapes, inputs=inputs)


def _named(node: Node, bottoms: Sequence[Shape]) -> Node:
    """A layer whose blobs have the names and the axes that nobody knows before the shapes of its bottoms."""
    wanted = node.layer.weights(*bottoms) if node.weights else {}
    made = [
        w if w.shape == shape and w.name == name else replace(w, name=name, shape=shape, data=_like(w.data, shape))
        for w, (name, shape) in zip(node.weights, wanted.items(), strict=False)
    ]
    return replace(node, weights=(*made, *node.weights[len(made) :])) if made else node


def _like(data: np.ndarray | None, shape: Shape) -> np.ndarray | None:
    return None if data is None else data.reshape(shape)


def _alike(a: Shape, b: Shape) -> bool:
    """Are two shapes the same but for axes of 1 before them, as old files have them?"""
    return all(x == y for x, y in zip_longest(reversed(a), reversed(b), fillvalue=1))


def shapes_for(
    graph: Graph, inputs: Mapping[str, Shape | None], axes: Axes | None = None, numbers: Mapping[str, int] | None = None
) -> dict[Value, Shape]:
    """Every value's shape for these input shapes, with the free sizes `numbers` by their symbols.

    `NetError` where a layer or a learned blob does not fit them.
    """
    shapes: dict[Value, Shape] = {}
    for node in graph.nodes:
        bottoms = [shapes[v] for v in node.bottoms]
        try:
            if node.layer.is_input:
                found = [inputs[v.blob] or () for v in node.tops]
            else:
                found = [tuple(s or ()) for s in node.layer.shapes(*bottoms)]
                for weight, shape in zip(node.weights, node.layer.weights(*bottoms).values(), strict=False):
                    if not _alike(weight.shape, shape):
                        raise Misfit(f"{weight.name} is {text(weight.shape)} and would be {text(shape)}")
            for s in found:
                check_size(s)
        except Misfit as misfit:
            raise node.error(NetError, str(misfit)) from None
        for v, s in zip(node.tops, found, strict=True):
            axis, symbol = (axes or {}).get(v, (0, ""))
            number = (numbers or {}).get(symbol)
            shapes[v] = s if number is None else (*s[:axis], number, *s[axis + 1 :])
    return shapes


def _number(size: Any, numbers: Mapping[str, int]) -> int:
    return int(sum(n * numbers[symbol] for symbol, n in _terms(size).items()) + _rest(size))
