"""What the layers share by which Faster R-CNN proposes regions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, text, top_count
from caffe2py.layers.detection.boxes import best, corners, found_rows, halves, kept_apart, picked

if TYPE_CHECKING:
    import numpy as np

RATIOS, SCALES = (0.5, 1.0, 2.0), (8.0, 16.0, 32.0)


@dataclass(frozen=True)
class Proposing(Layer):
    """The regions that a net proposes, best first, and their scores.

    scores (1, 2 A, H, W), of which those of things are the last A; said (1, 4 A, H, W); info (1, 3 or more): height,
    width and scale of the picture; tops (R, 5): 0, left, top, right, bottom, and (R, 1). At each place stand A anchors,
    feat_stride apart: for each ratio a box of base_size^2 pixels with height / width of about that ratio, in whole
    pixels, times each scale. Said are, in shares of an anchor's size, where the middle moves, and the logarithms of how
    its sides grow. Boxes are cut to the picture; those below min_size * scale go, then all but the best pre_nms_topn,
    then those that overlap a better one by more than nms_thresh, then all but the best post_nms_topn. The last pixel of
    a box is in it. The shapes said here are those of post_nms_topn regions. No gradient.
    """

    measured = 0
    stepwise = True
    feat_stride: int = 16
    base_size: int = 16
    min_size: int = 16
    ratio: tuple[float, ...] = RATIOS
    scale: tuple[float, ...] = SCALES
    pre_nms_topn: int = 6000
    post_nms_topn: int = 300
    nms_thresh: float = 0.7
    outputs: int = top_count()

    def anchors(self) -> list[list[float]]:
        """Left, top, right and bottom of each anchor at the first place."""
        middle, found = (self.base_size - 1) / 2, []
        for ratio in self.ratio:
            width = _round(math.sqrt(self.base_size**2 / ratio))
            height = _round(width * ratio)
            for scale in self.scale:
                x, y = (width * scale - 1) / 2, (height * scale - 1) / 2
                found.append([middle - x, middle - y, middle + x, middle + y])
        return found

    def shapes(self, scores: Shape, said: Shape, info: Shape, *more: Shape) -> Sequence[Shape]:
        number = len(self.ratio) * len(self.scale)
        if len(scores) != 4 or scores[:2] != (1, 2 * number) or said != (1, 4 * number, *scores[2:]):
            have = f"{text(scores)} and {text(said)}"
            raise Misfit(f"has bottoms of shape {have}; want (1, {2 * number}, H, W) and (1, {4 * number}, H, W)")
        if count(info) < 3:
            raise Misfit(f"has a third bottom of shape {text(info)}; want (1, 3): height, width and scale")
        if min(self.pre_nms_topn, self.post_nms_topn, self.feat_stride) < 1:
            raise Misfit("has a pre_nms_topn, post_nms_topn or feat_stride below 1")
        if not all(x > 0 and math.isfinite(x) for x in (*self.ratio, *self.scale)):
            raise Misfit("has a ratio or scale that is no finite number above 0")
        most = min(self.candidates(scores), self.post_nms_topn)
        return [(most, 5), (most, 1)][: self.outputs]

    def candidates(self, scores: Shape) -> int:
        return min(self.pre_nms_topn, len(self.ratio) * len(self.scale) * scores[2] * scores[3])

    def torch(self, em: Emitter, scores: Term, said: Term, info: Term, *more: Term) -> str:
        limits = {"least": self.min_size, "before": self.pre_nms_topn, "behind": self.post_nms_topn}
        words = {"anchors": self.anchors(), "stride": self.feat_stride, **limits, "most": self.nms_thresh}
        called = em.call("proposals", scores, said, info, **words)
        return called if self.outputs == 2 else f"{called}[0]"

    def onnx(self, g: Builder, scores: Handle, said: Handle, info: Handle, *more: Handle) -> Sequence[Handle]:
        number, high, wide = len(self.anchors()), *(int(n) for n in scores.shape[2:])
        total, k = number * high * wide, self.candidates(scores.shape)
        fg = g.transpose(g.slice(scores, 1, number, 2 * number), (0, 2, 3, 1))
        d = g.transpose(g.reshape(said, (number, 4, high, wide)), (2, 3, 0, 1))
        place, growth = halves(g, g.reshape(d, (1, total, 4)))
        size, middle = (g.constant(x[None], "anchors") for x in self._grid(high, wide))
        half = g.op("Mul", g.op("Mul", g.op("Exp", growth), size), 0.5)
        boxes = corners(g, g.op("Add", g.op("Mul", place, size), middle), half)
        info = g.reshape(info, (count(info.shape),))
        edge = g.op("Sub", g.op("Gather", info, g.constant([1, 0, 1, 0], "sides"), axis=0, shape=(4,)), 1.0)
        boxes = g.op("Max", g.op("Min", boxes, edge), 0.0)
        low, last = halves(g, boxes)
        smallest = g.op("Mul", g.slice(info, 0, 2, 3), float(self.min_size))
        large = g.op("GreaterOrEqual", g.op("Add", g.op("Sub", last, low), 1.0), smallest)
        both = g.op("Equal", g.reduce("ReduceSum", g.cast(large, "float"), [2], keepdims=False), 2.0)
        values, index = best(g, g.op("Where", both, g.reshape(fg, (1, total)), g.lowest), k)
        boxes = picked(g, boxes, index)
        low, last = halves(g, boxes)
        whole = g.concat([low, g.op("Add", last, 1.0)], 2)
        kept = kept_apart(g, whole, values, g.lowest, self.nms_thresh, limit=self.post_nms_topn)
        image, box, score = found_rows(g, kept, boxes, values)
        rois = g.op("Concat", g.op("Mul", image, 0.0), box, axis=1)
        return [rois, score][: self.outputs]

    def _grid(self, high: int, wide: int) -> tuple[np.ndarray, np.ndarray]:
        """Sizes and middles (H * W * A, 2) of all anchors, the anchors of a place one after another."""
        import numpy as np  # here, so that a net can be shown without it

        anchors = np.array(self.anchors())
        size = anchors[:, 2:] - anchors[:, :2] + 1
        y, x = np.meshgrid(np.arange(high), np.arange(wide), indexing="ij")
        shift = np.stack([x, y], 2).reshape(-1, 1, 2) * self.feat_stride
        middle = anchors[:, :2] + size / 2 + shift
        return np.broadcast_to(size, middle.shape).reshape(-1, 2), middle.reshape(-1, 2)


def _round(x: float) -> int:
    return math.floor(x + 0.5)
