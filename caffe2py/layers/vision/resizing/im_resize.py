"""ImResize: maps of several scales, resized to one size and averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text


@layer("ImResize", fork="OpenPose", formula=True)
class ImResize(Layer):
    """The mean over the batch of x (N, C, H, W), each sample resized by cubics (a = -0.5); top (1, C, H', W').

    Sample n is a scale of one picture, start_scale - n scale_gap of it: its rows and columns are those that are left
    within floor(H / 2 (1 - scale)) on each side. H' and W' are target_spatial_height and target_spatial_width, or
    `factor` times H and W. Edges repeat. From imresize_layer.cu of CMU's caffe_rtpose; what its code for a CPU makes
    differs from that. Published nets of OpenPose do not have it.
    """

    width: int = param("imresize_param.target_spatial_width", 368)
    height: int = param("imresize_param.target_spatial_height", 368)
    factor: float = param("imresize_param.factor", 0.0)
    start_scale: float = param("imresize_param.start_scale", 1.0)
    scale_gap: float = param("imresize_param.scale_gap", 0.1)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        if min(n - 2 * self.margin(n, x[0] - 1) for n in x[2:]) < 1:
            raise Misfit(f"leaves nothing of {text(x[2:])} in sample {x[0] - 1}; want fewer samples, or a smaller gap")
        size = [int(n * self.factor) for n in x[2:]] if self.factor else [self.height, self.width]
        return [(1, x[1], *size)]

    def margin(self, size: int, sample: int) -> int:
        """The rows, or columns, before the first of a sample."""
        return max(math.floor(size / 2 * (1 - self.start_scale + sample * self.scale_gap) + 1e-6), 0)

    def matrices(self, samples: int, size: int, top: int) -> Any:
        """Weights (N, 1, top, size) of one axis."""
        import numpy as np  # here, so that a net can be shown without it

        made = np.zeros((samples, 1, top, size))
        for n in range(samples):
            margin = self.margin(size, n)
            left = size - 2 * margin
            for i in range(top):
                place = (i + 0.5) * left / top - 0.5
                first = max(int(place + 1e-5), 0)
                d = place - first
                cubic = (-0.5 * d + d**2 - 0.5 * d**3, 1 - 2.5 * d**2 + 1.5 * d**3, 0.5 * d + 2 * d**2 - 1.5 * d**3)
                for k, weight in enumerate((*cubic, -0.5 * d**2 + 0.5 * d**3), first - 1):
                    made[n, 0, i, margin + min(max(k, 0), left - 1)] += weight
        return made.astype(np.float32)

    def torch(self, em: Emitter, x: Term) -> str:
        (samples, _, height, width), top = x.shape, em.tops[0]
        rows, columns = self.matrices(samples, height, top[2]), self.matrices(samples, width, top[3]).swapaxes(2, 3)
        left = em.buffer("rows", rows.shape, lambda blobs: rows)
        right = em.buffer("columns", columns.shape, lambda blobs: columns.copy())
        return f"({left} @ {x} @ {right}).mean(0, keepdim=True)"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        samples, channels, height, width = (int(n) for n in x.shape)
        top = g.tops[0]
        rows, columns = self.matrices(samples, height, top[2]), self.matrices(samples, width, top[3]).swapaxes(2, 3)
        wide = g.op("MatMul", x, g.constant(columns.copy(), "columns"), shape=(samples, channels, height, top[3]))
        made = g.op("MatMul", g.constant(rows, "rows"), wide, shape=(samples, *top[1:]))
        return g.reduce("ReduceMean", made, [0])

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 16 * count(tops[0]) * bottoms[0][0]
