"""ImageData: pictures and labels from a list of files (image_data_layer.cpp)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from caffe2py.errors import FileError
from caffe2py.layers.base import Count, Misfit, Params, Shape
from caffe2py.proto.disk.files import read_text
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.database_data import stacked
from caffe2py.runtime.data.feed import Feed
from caffe2py.runtime.data.pictures import read_picture
from caffe2py.runtime.data.transform import Transformer
from caffe2py.runtime.mode import rng, workers


class ImageFeed(Feed):
    """The listed pictures, over and over, or shuffled before each round. Of several solvers each takes its own."""

    type = "ImageData"
    tops = Count(2, 2)

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        said = self.message.image_data_param
        if bool(said.new_height) != bool(said.new_width):
            raise Misfit("gives one of new_height and new_width; want both, or none")
        self._said = said
        self._transform = Transformer(self.message, self.tell)
        self.tell("image_data_layer.cpp:38", f"Opening file {said.source}")
        self._lines = list(read_list(said.source))
        if not self._lines:
            raise FileError("File is empty; want a picture and its label a line", said.source)
        self.tell("image_data_layer.cpp:63", f"A total of {len(self._lines)} images.")
        self._order = rng().permutation(len(self._lines)) if said.shuffle else np.arange(len(self._lines))
        self._at = int(rng().integers(said.rand_skip)) if said.rand_skip else 0
        if self._at:
            self.tell("image_data_layer.cpp:70", f"Skipping first {self._at} data points.")
        if self._at >= len(self._lines):
            raise FileError(f"Not enough points to skip: {self._at} of {len(self._lines)}", said.source)
        self._records = self._own()

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        first = self._picture(self._lines[self._order[self._at]][0])
        shape = (int(self._said.batch_size), *self._transform.size(first.shape))
        self.tell("image_data_layer.cpp:90", f"output data size: {','.join(map(str, shape))}")
        return [shape, shape[:1]]

    def load(self, tops: Sequence[Blob]) -> None:
        batch = [next(self._records) for _ in range(self._said.batch_size)]
        samples = stacked([self._transform(self._picture(name)) for name, _ in batch], self._said.source)
        tops[0].fill(samples)
        tops[1].fill(np.array([label for _, label in batch], np.float32))

    def _picture(self, name: str) -> np.ndarray:
        said = self._said
        return read_picture(f"{said.root_folder}{name}", said.new_height, said.new_width, said.is_color)

    def _own(self) -> Iterator[tuple[str, int]]:
        offset = 0
        while True:
            for place in self._order[self._at :]:
                count, rank = workers()
                if offset % count == rank or not self._transform.training:
                    yield self._lines[place]
                offset += 1
            self._at = 0
            if self._said.shuffle:
                self._order = rng().permutation(len(self._lines))


def read_list(source: str) -> Iterator[tuple[str, int]]:
    """Lines of a file's name and its label, a blank between: `cats/1.jpg 281`. Raises `FileError`."""
    for number, line in enumerate(read_text(source, errors="surrogateescape").splitlines(), 1):
        name, _, label = line.rstrip().rpartition(" ")
        if not line.strip():
            continue
        try:
            yield name, int(label)
        except ValueError:
            raise FileError(f'line {number} is "{line}"; want a file, a blank, and a label', source) from None
