"""ClusterDetections: the Python layer by which DetectNet makes boxes of a grid. Its Python is never run."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Emitter, Layer, Misfit, Params, Shape, Term, text
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
        if len(cover) != 4 or cover[1] != self.classes or said != (cover[0], 4, *cover[2:]):
            have = f"{text(cover)} and {text(said)}"
            raise Misfit(f"has bottoms of shape {have}; want (N, {self.classes}, H, W) and (N, 4, H, W)")
        return [(cover[0], MOST, 5)] * self.classes

    def torch(self, em: Emitter, cover: Term, said: Term) -> Sequence[str]:
        grid = (self.height // self.stride, self.width // self.stride)
        cell = (self.height // grid[0], self.width // grid[1])
        words = {"grid": grid, "cell": cell, "least": self.threshold, "group": self.group, "eps": self.eps}
        return [
            em.call("clusters", f"{cover}[:, {c}]", said, **words, smallest=self.min_height, most=MOST)
            for c in range(self.classes)
        ]
