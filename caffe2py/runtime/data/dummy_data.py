"""DummyData: tops made of nothing but fillers."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Params, Shape
from caffe2py.layers.base.filler import FillerParameter
from caffe2py.layers.data.dummy_data import DummyData
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.feed import Feed
from caffe2py.runtime.mode import rng


class DummyFeed(Feed):
    """A constant is filled in once, and stays what the user makes of it; random numbers are drawn for each batch."""

    type = "DummyData"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        said = DummyData.read(params)
        assert isinstance(said, DummyData)
        self.given = said.given
        self._fillers = said.data_fillers or (FillerParameter(),) * len(said.given)

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return self.given

    def begin(self, tops: Sequence[Blob]) -> None:
        self._fill(tops, constant=True)

    def load(self, tops: Sequence[Blob]) -> None:
        self._fill(tops, constant=False)

    def _fill(self, tops: Sequence[Blob], constant: bool) -> None:
        for top, filler in zip(tops, self._fillers, strict=True):
            if (filler.type == "constant") is constant:
                top.fill(filler.array(top.shape, rng()))
