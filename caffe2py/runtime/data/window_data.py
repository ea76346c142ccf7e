"""WindowData: windows cut from pictures, a share of them of objects (window_data_layer.cpp)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from caffe2py.errors import FileError
from caffe2py.layers.base import Count, Misfit, Params, Shape
from caffe2py.proto.disk.files import read_text
from caffe2py.proto.weights.mean import read_mean
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.feed import Feed
from caffe2py.runtime.data.pictures import loaded, opencv
from caffe2py.runtime.mode import rng


@dataclass(frozen=True)
class Window:
    """A window of a picture, its corners included, and the class of what it shows; 0 is the background."""

    picture: str
    label: int
    corners: tuple[int, int, int, int]  # x1, y1, x2, y2


class WindowFeed(Feed):
    """fg_fraction of each batch are windows of objects, drawn at random; the background's stand before them."""

    type = "WindowData"
    tops = Count(2, 2)

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        said, transform = self.message.window_data_param, self.message.transform_param
        if not transform.crop_size:
            raise Misfit("gives no crop_size; want the size of its windows")
        if 2 * said.context_pad >= transform.crop_size:
            raise Misfit(f"gives a context_pad of {said.context_pad}; want less than half of crop_size")
        self._said = said
        self._crop = int(transform.crop_size)
        self._scale = np.float32(transform.scale if transform.HasField("scale") else said.scale)
        self._mirror = bool(transform.mirror)
        self._values = np.array(transform.mean_value, np.float32)
        self._mean = read_mean(transform.mean_file) if transform.mean_file else None
        if self._mean is not None and (len(self._mean) != 3 or min(self._mean.shape[1:]) < self._crop):
            raise Misfit(f"the mean is {self._mean.shape}; want 3 channels, and at least crop_size")
        self._objects: list[Window] = []
        self._around: list[Window] = []
        for window, overlap in read_windows(said.source, said.root_folder):
            if overlap >= said.fg_threshold:
                self._objects.append(window)
            elif overlap < said.bg_threshold:
                self._around.append(Window(window.picture, 0, window.corners))

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        batch = int(self._said.batch_size)
        return [(batch, 3, self._crop, self._crop), (batch,)]

    def load(self, tops: Sequence[Blob]) -> None:
        batch = int(self._said.batch_size)
        objects = int(batch * self._said.fg_fraction)
        chosen = self._draw(self._around, batch - objects) + self._draw(self._objects, objects)
        tops[0].fill(np.stack([self._cut(window) for window in chosen]))
        tops[1].fill(np.array([window.label for window in chosen], np.float32))

    def _draw(self, windows: Sequence[Window], count: int) -> list[Window]:
        if count and not windows:
            raise FileError("holds no windows of the kind that a batch wants", self._said.source)
        return [windows[i] for i in rng().integers(len(windows), size=count)] if count else []

    def _cut(self, window: Window) -> np.ndarray:
        cv2 = opencv()
        pixels = loaded(window.picture)
        mirrored = self._mirror and bool(rng().integers(2))
        (x1, y1, x2, y2), pad, size = self._place(window.corners, pixels.shape, mirrored)
        part = pixels[max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1]
        if not part.size or min(size) < 1:
            raise FileError(f"nothing of {window.picture} is in its window {window.corners}", self._said.source)
        cut = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        cut = (cut[:, ::-1] if mirrored else cut).transpose(2, 0, 1).astype(np.float32)
        made = np.zeros((3, self._crop, self._crop), np.float32)
        place = (slice(None), slice(pad[1], pad[1] + size[1]), slice(pad[0], pad[0] + size[0]))
        if self._mean is not None:
            off = (self._mean.shape[2] - self._crop) // 2
            cut -= self._mean[:, off : off + self._crop, off : off + self._crop][place]
        elif len(self._values):
            cut -= self._values[:, None, None]
        made[place] = cut * self._scale
        return made

    def _place(
        self, corners: tuple[int, int, int, int], picture: Shape, mirrored: bool
    ) -> tuple[tuple[int, int, int, int], tuple[int, int], tuple[int, int]]:
        """What is cut out, where it comes to stand (x, y), and at what size (width, height)."""
        crop, context = self._crop, int(self._said.context_pad)
        square = self._said.crop_mode == "square"
        if not context and not square:
            return corners, (0, 0), (crop, crop)
        low, high = np.array(corners[:2], float), np.array(corners[2:], float)
        half = (high - low + 1) / 2
        middle = low + half
        if square:
            half[:] = half.max()
        half *= crop / (crop - 2.0 * context)
        low, high = _round(middle - half), _round(middle + half)
        scale = crop / (high - low + 1.0)
        before = np.maximum(0, -low)
        behind = np.maximum(0, high - np.array([picture[1], picture[0]]) + 1)
        low, high = low + before, high - behind
        size = _round((high - low + 1) * scale)
        pad = _round(before * scale)
        if mirrored:
            pad[0] = _round(behind * scale)[0]
        size = np.minimum(size, crop - pad)
        x1, y1, x2, y2 = (int(n) for n in (*low, *high))
        return (x1, y1, x2, y2), (int(pad[0]), int(pad[1])), (int(size[0]), int(size[1]))


def _round(values: np.ndarray) -> np.ndarray:
    """To the nearest whole number, halves away from 0, as C does."""
    return (np.sign(values) * np.floor(np.abs(values) + 0.5)).astype(int)


def read_windows(source: str, root: str = "") -> Iterator[tuple[Window, float]]:
    """Each window of a window file, with how far it overlaps an object. Raises `FileError`.

    For each picture: `# number`, its file, channels, height, width, the number of windows, and for each of those
    `class overlap x1 y1 x2 y2`.
    """
    words = iter(read_text(source, errors="surrogateescape").split())
    try:
        for mark in words:
            if mark != "#":
                raise ValueError(f'"{mark}" where a picture begins; want #')
            next(words)
            picture = root + next(words)
            _, _, _, count = (int(next(words)) for _ in range(4))
            for _ in range(count):
                label, overlap = int(next(words)), float(next(words))
                x1, y1, x2, y2 = (int(next(words)) for _ in range(4))
                yield Window(picture, label, (x1, y1, x2, y2)), overlap
    except (ValueError, StopIteration, RuntimeError) as error:
        raise FileError(f"not a window file ({error or 'it ends early'})", source) from None
