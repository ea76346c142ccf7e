"""The Python layers between the stages of MNC, at test. Their Python is never run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, text, top_count
from caffe2py.layers.detection.boxes import corners, picked
from caffe2py.layers.utility.python import python_layer


@dataclass(frozen=True)
class AtTest(Layer):
    """A layer with more bottoms and tops in training, which are not read or made here; a deployed net drops them."""

    outputs: int = top_count()

    def alone(self) -> None:
        """`Misfit` where there are tops for training."""
        if self.outputs > 1:
            raise Misfit("makes targets for training, which nobody can say here; want a net that is deployed")


@python_layer("pylayer.mask_layer", "MaskLayer", bottoms=(1, 3), tops=(1, 2), fork="MNC", formula=True)
class MaskLayer(AtTest):
    """top (R, 1, S, S) = the masks (R, S * S) as images. What it compares in training is not done here.

    Source: lib/pylayer/mask_layer.py of daijifeng001/MNC.
    """

    at_test = {3: (0,)}

    def shapes(self, masks: Shape, *others: Shape) -> Sequence[Shape | None]:
        side = math.isqrt(count(masks, 1)) if masks else 0
        if not masks or side**2 != count(masks, 1):
            raise Misfit(f"has masks of shape {text(masks)}; want (R, S * S)")
        return [(masks[0], 1, side, side), *[None] * (self.outputs - 1)]

    def torch(self, em: Emitter, masks: Term, *others: Term) -> str:
        self.alone()
        return f"{masks}.reshape(-1, {', '.join(map(str, em.tops[0][1:]))})"

    def onnx(self, g: Builder, masks: Handle, *others: Handle) -> Handle:
        self.alone()
        return g.reshape(masks, g.tops[0])


@python_layer("pylayer.stage_bridge_layer", "StageBridgeLayer", bottoms=(4, 7), tops=(1, 8), fork="MNC", formula=True)
class StageBridgeLayer(AtTest):
    """top[r] = 0, and the box that said[r] makes of rois[r] for the class of the highest score, cut to the picture.

    rois (R, 5): image, left, top, right, bottom; said (R, 4 * classes): for each class where the middle moves, in
    shares of a side, right - left + 1, and the logarithms of how the sides grow; scores (R, classes), of equal ones the
    first counts; info (1, 2 or more): height and width of the picture; top (R, 5). What it makes for training is not
    done here. No gradient. Source: lib/pylayer/stage_bridge_layer.py of daijifeng001/MNC.
    """

    at_test = {7: (0, 1, 2, 5)}

    def shapes(self, rois: Shape, said: Shape, scores: Shape, info: Shape, *others: Shape) -> Sequence[Shape | None]:
        if not rois or count(rois, 1) != 5 or {rois[0]} != {*said[:1], *scores[:1]}:
            have = ", ".join(map(text, (rois, said, scores)))
            raise Misfit(f"has bottoms of shape {have}; want (R, 5), (R, 4 * classes) and (R, classes)")
        if count(said, 1) != 4 * count(scores, 1):
            raise Misfit(f"has bottoms of shape {text(said)} and {text(scores)}; want four numbers for each score")
        if count(info) < 2:
            raise Misfit(f"has a fourth bottom of shape {text(info)}; want (1, 3): height, width and scale")
        return [(rois[0], 5), *[None] * (self.outputs - 1)]

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        self.alone()
        return em.call("next_regions", *bottoms)

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle:
        self.alone()
        rois, said, scores, info = bottoms
        number, classes = rois.shape[0], count(scores.shape[1:])
        flat = g.reshape(scores, (number, classes))
        best = g.op("ArgMax", flat, axis=1, keepdims=1, shape=(number, 1))
        d = picked(g, g.reshape(said, (number, classes, 4)), best)
        image, low, high = g.split(g.reshape(rois, (number, 5)), [1, 2, 2], 1)
        place, growth = g.split(g.reshape(d, (number, 4)), [2, 2], 1)
        size = g.op("Add", g.op("Sub", high, low), 1.0)
        middle = g.op("Add", g.op("Mul", place, size), g.op("Add", low, g.op("Mul", size, 0.5)))
        half = g.op("Mul", g.op("Mul", size, g.op("Exp", growth)), 0.5)
        sides = g.reshape(info, (count(info.shape),))
        edge = g.op("Sub", g.op("Gather", sides, g.constant([1, 0, 1, 0], "sides"), axis=0, shape=(4,)), 1.0)
        return g.concat([g.op("Mul", image, 0.0), g.op("Max", g.op("Min", corners(g, middle, half), edge), 0.0)], 1)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 2 * count(tops[0])
