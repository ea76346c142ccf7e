"""ClusterDetections: the Python layer by which DetectNet makes boxes of a grid. Its Python is never run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Params, Shape, Term, text
from caffe2py.layers.detection.outputs.clustering import Clusters, cells
from caffe2py.layers.utility.python import python_layer

MOST = 50  # boxes of an image


@python_layer(
    "caffe.layers.detectnet.clustering", "ClusterDetections", bottoms=2, tops=(1, None), fork="NVCaffe", formula=True
)
class ClusterDetections(Layer):
    """tops[c] (N, 50, 5) = left, top, right, bottom and confidence of the boxes of class c, zeros after them.

    cover (N, classes, H, W), said (N, 4, H, W). param_str: "width, height, stride, threshold, group, eps, min_height,
    classes", of the picture, a cell of the grid, what a cell must cover, how similar boxes are put together, and the
    smallest box. A cell that covers enough says a box by the distances of its sides from the cell's corner. Boxes whose
    sides are all within eps times their mean size, or that are linked by such, are one, the mean of them in whole
    pixels; a box of `group` members or fewer goes, and one inside another with more members. The confidence is the
    logarithm of the members, in half precision. As in the original left, top, right and bottom are compared as if
    they were left, top, width and height. No gradient.
    Source: clustering.py of NVIDIA/caffe; OpenCV's groupRectangles.
    """

    stepwise = True
    width: int = 0
    height: int = 0
    stride: int = 1
    threshold: float = 0.0
    group: int = 1
    eps: float = 0.2
    min_height: int = 0
    classes: int = 1

    @classmethod
    def read(cls, params: Params) -> Layer:
        said = params.get("python_param.param_str", "")
        words = [word.strip() for word in said.split(",")]
        kinds = (int, int, int, float, int, float, int, int)
        try:
            if not 7 <= len(words) <= 8:
                raise ValueError
            made = cls(*(kind(word) for kind, word in zip(kinds, words, strict=False)))
        except ValueError:
            raise Misfit(f"has param_str {said!r}; want seven or eight numbers with commas between") from None
        return made

    def shapes(self, cover: Shape, said: Shape) -> Sequence[Shape]:
        if not 1 <= self.stride <= min(self.width, self.height):
            raise Misfit(
                f"cuts {self.width} x {self.height} pixels into cells of {self.stride}; want one cell at least"
            )
        if len(cover) != 4 or cover[1] != self.classes or said != (cover[0], 4, *cover[2:]):
            have = f"{text(cover)} and {text(said)}"
            raise Misfit(f"has bottoms of shape {have}; want (N, {self.classes}, H, W) and (N, 4, H, W)")
        return [(cover[0], MOST, 5)] * self.classes

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.height // self.stride, self.width // self.stride

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width of a cell."""
        return self.height // self.grid[0], self.width // self.grid[1]

    def torch(self, em: Emitter, cover: Term, said: Term) -> Sequence[str]:
        words = {"grid": self.grid, "cell": self.cell, "least": self.threshold, "group": self.group, "eps": self.eps}
        return [
            em.call("clusters", f"{cover}[:, {c}]", said, **words, smallest=self.min_height, most=MOST)
            for c in range(self.classes)
        ]

    def onnx(self, g: Builder, cover: Handle, said: Handle) -> Sequence[Handle]:
        n, (high, wide) = cover.shape[0], (min(a, int(b)) for a, b in zip(self.grid, cover.shape[2:], strict=True))
        cover = Handle(g.slice(g.slice(cover, 2, 0, high), 3, 0, wide), (n, self.classes, high, wide))
        tops = []
        for c in range(self.classes):
            here = g.reshape(Handle(g.slice(cover, 1, c, c + 1), (n, 1, high, wide)), (n, high, wide))
            tops.append(self._found(g, *cells(g, here, said, self.cell, self.threshold), n, high * wide))
        return tops

    def _found(self, g: Builder, boxes: Handle, image: Handle, n: Any, most: int) -> Handle:
        """The rows (N, 50, 5) of what is left of boxes."""
        import numpy as np  # here, so that a net can be shown without it

        kinds = Clusters(g, g.cast(boxes, "int64"), image, self.eps, most)
        left, top, right, bottom = (kinds.side(kinds.means, i) for i in range(4))
        flat = g.constant([-1], "flat")
        high = g.op("GreaterOrEqual", g.op("Sub", bottom, top), float(self.min_height))
        # Of an image whose boxes are all 0 nothing is left; the last box is of no image.
        some = g.reduce("ReduceMax", g.op("Abs", boxes), [1])
        some = g.reduce("ReduceMax", g.op("Mul", kinds.number(kinds.same), kinds.row(some)), [1])
        good = g.op("And", g.op("And", high, g.op("Greater", some, 0.0)), g.op("GreaterOrEqual", image, 0))
        kept = g.op("And", kinds.kept(self.group), g.op("Reshape", good, flat))
        rank = kinds.ranked(kept)
        kept = g.op("And", kept, g.op("Less", rank, float(MOST)))
        chosen = g.op("Reshape", g.op("NonZero", kept), flat)
        logs = g.constant(np.log(np.maximum(np.arange(most + 1), 1)).astype(np.float16).astype(np.float32), "logs")
        score = kinds.column(g.op("Gather", logs, g.cast(kinds.members, "int64"), axis=0))
        rows = g.op("Gather", g.op("Concat", left, top, right, bottom, score, axis=1), chosen, axis=0)
        place = g.op("Concat", image, kinds.column(g.cast(rank, "int64")), axis=1)
        place = g.op("Gather", place, chosen, axis=0)
        return g.op("ScatterND", g.full((n, MOST, 5), 0.0), place, rows, shape=(n, MOST, 5))
