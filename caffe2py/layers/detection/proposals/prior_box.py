"""PriorBox: the boxes that SSD starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    deep,
    four,
    layer,
    param,
    read_fields,
)

Pair = tuple[float, float]


@layer("PriorBox", bottoms=2, fork="SSD")
class PriorBox(Layer):
    """top = boxes of fixed sizes at each place of x, in shares of the image's size, and their variances.

    x (N, C, H, W), image (N, C, height, width); top (1, 2, H * W * boxes * 4): by row, column and box left, top, right
    and bottom, then four variances of each. At each place, for each min_size s: a square of s; with max_sizes one of
    sqrt(s * max_size); then s * sqrt(r) wide and s / sqrt(r) high for each aspect_ratio r but 1, and, with flip, 1 / r.
    Sizes are cut to whole pixels first. A place (h, w) is ((w + offset) * step, (h + offset) * step); a step is the
    image's size over that of x where none is given. One variance counts for all four, none is 0.1. No gradient. Source:
    prior_box_layer.cpp of SSD; Liu et al. 2016.
    """

    min_size: tuple[float, ...] = param("prior_box_param.min_size", ())
    max_size: tuple[float, ...] = param("prior_box_param.max_size", ())
    aspect_ratio: tuple[float, ...] = param("prior_box_param.aspect_ratio", ())
    flip: bool = param("prior_box_param.flip", True)
    clip: bool = param("prior_box_param.clip", False)
    variance: tuple[float, ...] = param("prior_box_param.variance", ())
    offset: float = param("prior_box_param.offset", 0.5)
    step: Pair | None = None
    size: tuple[int, int] | None = None

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params)
        fields["variance"] = fields["variance"] or (0.1,)
        for word in ("step", "img_size"):
            given = _pair(params, word, word.removesuffix("_size"))
            fields[word.removeprefix("img_")] = given
        made = cls(**fields)
        made.check()
        return made

    def check(self) -> None:
        if not self.min_size or min(self.min_size) <= 0:
            raise Misfit("has no min_size above 0; want one at least")
        if not all(map(math.isfinite, (*self.min_size, *self.max_size))):
            raise Misfit("has a min_size or max_size that is infinite or NaN; want a number of pixels")
        if self.max_size and len(self.max_size) != len(self.min_size):
            raise Misfit(f"has {len(self.max_size)} max_size for {len(self.min_size)} min_size; want as many, or none")
        if any(high <= low for low, high in zip(self.min_size, self.max_size, strict=False)):
            raise Misfit("has a max_size that is not above its min_size")
        if len(self.variance) not in (1, 4) or min(self.variance) <= 0:
            raise Misfit(f"has {len(self.variance)} variance; want 4, or one for all, above 0")
        if any(r <= 0 or math.isinf(r) for r in self.aspect_ratio):
            raise Misfit("has an aspect_ratio that is infinite, or not above 0")

    def ratios(self) -> list[float]:
        """The aspect ratios beside 1, each once."""
        found = [1.0]
        for r in self.aspect_ratio:
            if all(abs(r - other) >= 1e-6 for other in found):
                found += [r, 1 / r] if self.flip else [r]
        return [r for r in found if abs(r - 1) >= 1e-6]

    def sizes(self) -> list[Pair]:
        """Width and height in pixels of each box at one place."""
        found: list[Pair] = []
        for i, size in enumerate(self.min_size):
            s = int(size)
            sides = [float(s)] + ([math.sqrt(s * int(self.max_size[i]))] if self.max_size else [])
            found += [(side, side) for side in sides]
            found += [(s * math.sqrt(r), s / math.sqrt(r)) for r in self.ratios()]
        return found

    def shapes(self, x: Shape, image: Shape) -> Sequence[Shape]:
        _, _, height, width = four(x)
        four(image, "image")
        return [(1, 2, height * width * len(self.sizes()) * 4)]

    def torch(self, em: Emitter, x: Term, image: Term) -> str:
        words = {"offset": self.offset, "step": self.step, "size": self.size, "clip": self.clip}
        given = {k: v for k, v in words.items() if v}
        more = {"offset": self.offset} | given
        maps = (deep(x, 4 - len(x.shape)), deep(image, 4 - len(image.shape)))
        return em.call("prior_boxes", *maps, sizes=self.sizes(), variance=list(self.variance), **more)

    def onnx(self, g: Builder, x: Handle, image: Handle) -> Handle:
        import numpy as np

        high, wide = (int(n) for n in four(x.shape)[2:])
        size = tuple(map(float, self.size or [int(n) for n in four(image.shape)[2:]]))
        step = self.step or (size[0] / high, size[1] / wide)
        rows, columns = ((np.arange(n) + self.offset) * s for n, s in zip((high, wide), step, strict=True))
        middle = np.stack(np.broadcast_arrays(columns[None], rows[:, None]), 2)[:, :, None]
        half = np.array(self.sizes()) / 2
        boxes = np.concatenate([middle - half, middle + half], 3) / (size[1], size[0], size[1], size[0])
        boxes = boxes.clip(0, 1) if self.clip else boxes
        return g.constant(np.stack([boxes.ravel(), np.broadcast_to(self.variance, boxes.shape).ravel()])[None], "boxes")

    def summary(self) -> str:
        return f"{len(self.sizes())} boxes a place"


def _pair(params: Params, word: str, stem: str) -> tuple[float, float] | None:
    """Height and width: one value for both, or the _h and _w fields; None where neither is given, or one is 0."""
    one, *two = (f"prior_box_param.{name}" for name in (word, f"{stem}_h", f"{stem}_w"))
    if not any(map(params.has, two)):
        both = params.get(one, 0)
        pair = (both, both)
    elif params.has(one):
        raise Misfit(f"gives {word} and {stem}_h or {stem}_w; want one of the two")
    else:
        pair = (params.get(two[0], 0), params.get(two[1], 0))
    if min(pair) < 0 or (any(map(params.has, (one, *two))) and min(pair) == 0):
        raise Misfit(f"has a {word} of {min(pair):g}; want it above 0")
    return pair if all(pair) else None
