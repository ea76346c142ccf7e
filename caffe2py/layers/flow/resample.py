"""Resample: an image in another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text
from caffe2py.layers.flow.filtering import cubic, filtered, normalized, onnx_filtered, radius, triangle, weights


@layer("Resample", bottoms=(1, 2), fork="FlowNet", formula=True)
class Resample(Layer):
    """x (N, C, H, W) in the size of a second bottom, in `height` and `width`, or `factor` times as large.

    LINEAR and CUBIC (a = -0.5) weigh the values around each place, the weights adding up to 1; with antialias, where
    anything shrinks, kernels are as wide as what they cover. NEAREST takes the nearest. Column x of the top lies at
    x fx + fy / 2 - 0.5, row y at y fy + fx / 2 - 0.5 (fx = W / W', fy = H / H'), which exchanges the halves, as the
    fork does. From resample_layer.cu of FlowNet 2, which runs on a GPU alone.
    """

    width: int = param("resample_param.width", 0)
    height: int = param("resample_param.height", 0)
    kind: str = param("resample_param.type", "LINEAR")
    antialias: bool = param("resample_param.antialias", True)
    factor: float = param("resample_param.factor", 1.0)

    def shapes(self, x: Shape, *like: Shape) -> Sequence[Shape]:
        if any(len(s) != 4 for s in (x, *like)):
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        if self.kind == "AREA":
            raise Misfit("has type AREA, which the fork does not run; want NEAREST, LINEAR or CUBIC")
        size = like[0][2:] if like else (self.height, self.width)
        if not all(size):
            size = tuple(int(n * self.factor) for n in x[2:])
        if min(size) < 1:
            raise Misfit(f"makes {text(size)} of {text(x[2:])}; want a row and a column at least")
        return [(*x[:2], *size)]

    def matrices(self, x: Shape, top: Shape) -> tuple[Any, Any]:
        """Weights for the rows and for the columns."""
        fy, fx = (n / m for n, m in zip(x[2:], top[2:], strict=True))
        spread = self.antialias and max(fy, fx) > 1
        found = []
        for size, made, own, other in ((x[2], top[2], fy, fx), (x[3], top[3], fx, fy)):
            places = [i * own + other / 2 - 0.5 for i in range(made)]
            if self.kind == "NEAREST":
                inside = [min(max(p, 0.0), size - 1.0) for p in places]
                found.append(weights(inside, size, 0, lambda d: 0 * d + 1).astype("float32"))
                continue
            kernel, reach = (triangle, 2) if self.kind == "LINEAR" else (cubic, 4)
            wide = own if spread else 1.0
            near = radius(reach, own, spread)
            found.append(normalized(weights(places, size, near, lambda d, k=kernel, w=wide: k(d / w))))
        return found[0], found[1]

    def torch(self, em: Emitter, x: Term, *like: Term) -> str:
        return filtered(em, x, *self.matrices(x.shape, em.tops[0]))

    def onnx(self, g: Builder, x: Handle, *like: Handle) -> Handle:
        return onnx_filtered(g, x, *self.matrices(x.shape, g.tops[0]))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 4 * count(tops[0])
