"""The base of layers that fill their tops themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.errors import NetError
from caffe2py.layers.base import Count, Layer, Misfit, Params, Shape
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.glog import log
from caffe2py.runtime.layers.operator import Operator


class Feed(Layer):
    """A layer that makes its tops of a file, of numbers drawn at random, or of what it was handed."""

    bottoms = Count(0, 0)
    tops = Count(1, None)
    is_input = True

    def __init__(self, params: Params) -> None:
        self.message = params.message
        self._told: list[tuple[str, str]] | None = []  # log lines of a layer that Caffe has not made yet

    @classmethod
    def read(cls, params: Params) -> Layer:
        return cls(params)

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        raise NotImplementedError

    def tell(self, place: str, message: str) -> None:
        """Write a log line, at once or when it is the layer's turn."""
        if self._told is None:
            log(place, message)
        else:
            self._told.append((place, message))

    def in_turn(self) -> None:
        """The log has come to this layer."""
        told, self._told = self._told or [], None
        for place, message in told:
            log(place, message)

    def begin(self, tops: Sequence[Blob]) -> None:
        """Called once, when the net is made."""

    def load(self, tops: Sequence[Blob]) -> None:
        """Fill the tops with the next batch."""
        raise NotImplementedError

    def summary(self) -> str:
        return ""


class Feeding(Operator):
    """A data layer of a running net."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.feed.in_turn()
        self.feed.begin(self.tops)

    @property
    def feed(self) -> Feed:
        layer = self.node.layer
        assert isinstance(layer, Feed)
        return layer

    def reshape(self) -> None:
        """The tops keep the shape of their last batch."""

    def forward(self, record: bool) -> None:
        try:
            self.feed.load(self.tops)
        except Misfit as misfit:
            raise self.node.error(NetError, str(misfit)) from None
