"""The base of all layers of a running net."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.errors import CaffeError, NetError
from caffe2py.graph import Node
from caffe2py.layers.base import Misfit, Shape, text
from caffe2py.runtime.blobs.blob import Blob


class Operator:
    """A layer of a running net: the blobs it reads, makes and has learned.

    `propagate` says for each bottom whether its gradient is wanted, `learns` so for each learned blob.
    """

    def __init__(self, node: Node, bottoms: Sequence[Blob], tops: Sequence[Blob], blobs: Sequence[Blob]) -> None:
        self.node = node
        self.bottoms = list(bottoms)
        self.tops = list(tops)
        self.blobs = list(blobs)
        self.propagate: list[bool] = [False] * len(self.bottoms)
        self.learns: list[bool] = [True] * len(self.blobs)
        self._seen: tuple[Shape, ...] | None = None  # the shapes that the tops have been fitted to

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def type(self) -> str:
        """The layer's type, as in its prototxt."""
        return self.node.type

    def reshape(self) -> None:
        """Fit the tops, and what the layer keeps, to its bottoms. Raises `NetError` where they do not fit."""
        shapes = tuple(b.shape for b in self.bottoms)
        if shapes == self._seen:
            return
        try:
            tops = self.node.layer.shapes(*shapes)
            wanted = list(self.node.layer.weights(*shapes).values())
            for weight, shape in zip(self.node.weights, wanted, strict=True):
                if weight.shape != shape:
                    raise Misfit(f"{weight.name} is {text(weight.shape)}; bottoms of these shapes want {text(shape)}")
            self.fit(shapes, [t or () for t in tops])
        except Misfit as misfit:
            raise self.node.error(NetError, str(misfit)) from None
        for top, sizes in zip(self.tops, tops, strict=True):
            if sizes is not None:
                top.reshape(*sizes)
        self._seen = shapes

    def fit(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> None:
        """Make ready for bottoms of these shapes."""

    def forward(self, record: bool) -> None:
        """Make the tops; `record` what the backward pass needs."""
        raise NotImplementedError

    def backward(self) -> None:
        """Set the diffs of the bottoms that want one, and add to those of the learned blobs."""

    def loss(self) -> float:
        """What the tops add to the objective."""
        return sum(
            weight * float(top.tensor().sum())
            for top, weight in zip(self.tops, self.node.loss_weights, strict=False)
            if weight
        )

    def error(self, fact: str) -> CaffeError:
        return self.node.error(NetError, fact)


class Shared(Operator):
    """A layer whose tops are its bottom's memory (`Layer.shares_memory`).

    A Reshape, a Concat and a Slice share it from the beginning, the others from their first pass on.
    """

    def __init__(self, node: Node, bottoms: Sequence[Blob], tops: Sequence[Blob], blobs: Sequence[Blob]) -> None:
        super().__init__(node, bottoms, tops, blobs)
        if node.type in {"Reshape", "Concat", "Slice"}:
            self.tops[0].share_data(self.bottoms[0])
            self.tops[0].share_diff(self.bottoms[0])

    def forward(self, record: bool) -> None:
        self.reshape()
        for top in self.tops:
            top.share_data(self.bottoms[0])

    def backward(self) -> None:
        if self.type in {"Flatten", "Permute"}:
            self.bottoms[0].share_diff(self.tops[0])
        if self.type == "Split" and self.propagate[0]:
            first, *others = (top.gradient() for top in self.tops)
            total = first.clone() if not others else first + others[0]
            for other in others[1:]:
                total += other
            self.bottoms[0].diff_memory.take(total)


class Given(Operator):
    """A layer whose tops are what they are: Input, whose tops the user fills; Parameter, whose top is its blob."""

    def __init__(self, node: Node, bottoms: Sequence[Blob], tops: Sequence[Blob], blobs: Sequence[Blob]) -> None:
        super().__init__(node, bottoms, tops, blobs)
        if blobs:
            self.tops[0].share_data(blobs[0])
            self.tops[0].share_diff(blobs[0])

    def reshape(self) -> None:
        """The tops keep the shape that the user gives them."""

    def forward(self, record: bool) -> None:
        """Nothing to do."""
