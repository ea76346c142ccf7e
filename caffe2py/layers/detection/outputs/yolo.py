"""What the outputs of YOLO share: boxes and scores of a grid's cells, and what is left of them."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe2py.layers.base import Builder, Handle, Layer, Misfit, Shape, float32, text
from caffe2py.layers.detection.boxes import corners, overlap_bar
from caffe2py.layers.detection.outputs.detection_output import no_rows

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class YoloOutput(Layer):
    """top (1, 1, M, 7) = rows (0, label, score, left, top, right, bottom), best first; labels count from 1.

    A box that overlaps a better one, of whatever label, by nms_threshold or more goes. The images of a batch
    are taken for one. Where nothing is found there is a row for each image with -1 in it.
    """

    finds = True
    measured = 2
    stepwise = True
    num_classes: int = 20
    confidence_threshold: float = 0.01
    nms_threshold: float = 0.45

    def grids(self, bottoms: Sequence[Shape], boxes: int, biases: Sequence[float]) -> int:
        """The boxes of all cells; `Misfit` where a bottom is no grid of them, or a bias no size of one."""
        if not all(size > 0 and math.isfinite(size) for size in biases):
            raise Misfit("has biases that are no finite numbers above 0")
        for x in bottoms:
            if len(x) != 4 or x[2] != x[3] or x[1] != boxes * (5 + self.num_classes):
                wish = f"want (N, {boxes} * (5 + {self.num_classes}), S, S)"
                raise Misfit(f"has a bottom of shape {text(x)}; {wish}")
        return sum(x[0] * x[2] * x[3] for x in bottoms) * boxes

    def onnx_cells(self, g: Builder, x: Handle, anchors: Sequence[float], size: float) -> tuple[Handle, ...]:
        """Boxes (B, 4), the chance that there is anything (B, 1), and what the net says of classes (B, classes)."""
        import numpy as np  # here, so that a net can be shown without it

        n, _, side, _ = x.shape
        boxes = len(anchors) // 2
        cells = g.transpose(g.reshape(x, (n, boxes, 5 + self.num_classes, side * side)), (0, 3, 1, 2))
        cells = g.reshape(cells, (n * (side * side * boxes), 5 + self.num_classes))
        place, growth, some, classes = g.split(cells, [2, 2, 1, self.num_classes], 1)
        y, x_ = np.divmod(np.arange(side * side), side)
        corner = np.repeat(np.stack([x_, y], 1), boxes, 0).astype(np.float32)
        anchor = np.tile(np.array(anchors, np.float32).reshape(-1, 2), (side * side, 1)) / size
        # Every image of a batch has the same cells.
        corner_, anchor_ = (self._each(g, values, n, cells.shape[0]) for values in (corner, anchor))
        middle = g.op("Div", g.op("Add", g.op("Sigmoid", place), corner_), float(side))
        half = g.op("Mul", g.op("Mul", g.op("Exp", growth), anchor_), 0.5)
        return corners(g, middle, half), g.op("Sigmoid", some), classes

    def _each(self, g: Builder, values: np.ndarray, images: Any, total: Any) -> Handle:
        if images == 1:
            return g.constant(values, "cells")
        one = g.constant(values[None], "cells")
        return g.reshape(
            g.op("Expand", one, g.shape((images, *values.shape)), shape=(images, *values.shape)), (total, 2)
        )

    def onnx_rows(self, g: Builder, boxes: Handle, scores: Handle, labels: Handle, images: Any, bar: float) -> Handle:
        """The rows of those of the boxes (B, 4) whose scores (B, L), with their labels, are above `bar`, best first."""
        place = g.transpose(g.op("NonZero", g.op("Greater", scores, bar)), (1, 0))
        row = g.op("Gather", place, g.constant(0, "row"), axis=1)
        box, score = g.op("Gather", boxes, row, axis=0), g.op("GatherND", scores, place)
        label = g.op("GatherND", labels, place)
        floats = (g.cast(v, "float32") for v in (g.unsqueeze(box, [0]), g.unsqueeze(score, [0, 1])))
        most = g.cast(g.constant([overlap_bar(below(self.nms_threshold))], "overlap"), "float32")
        number = g.op("Shape", score, shape=(1,))
        chosen = g.op("NonMaxSuppression", *floats, number, most)
        kept = g.op("Gather", chosen, g.constant(2, "column"), axis=1)
        score, label = (g.unsqueeze(g.op("Gather", v, kept, axis=0), [1]) for v in (score, label))
        rows = g.op("Concat", g.op("Mul", score, 0.0), label, score, g.op("Gather", box, kept, axis=0), axis=1)
        return g.unsqueeze(no_rows(g, rows, images), [0, 1])


def below(x: float) -> float:
    """The float32 just below a number above 0: no more than that is less than the number."""
    bits = struct.unpack("<i", struct.pack("<f", float32(x)))[0]
    return float(struct.unpack("<f", struct.pack("<i", bits - 1))[0]) if x > 0 else -math.inf
