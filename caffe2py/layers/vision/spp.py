"""SPP: spatial pyramid pooling."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, layer, param, text, unsaid
from caffe2py.layers.vision.pooling import FILLED, Pair, Pooling


@layer("SPP")
class SPP(Layer):
    """The largest value, or the average, of 1, 2 x 2, 4 x 4 ... bins, in one row of values for each sample.

    x (N, C, H, W). Level i has 2^i bins a side, kernel and stride ceil(H / bins), pad (kernel * bins - H + 1) / 2
    rounded down, and is flattened; with a pyramid_height of 1 the top is (N, C, 1, 1), not flattened.
    Source: spp_layer.cpp; He et al. 2014.
    """

    pyramid_height: int = param("spp_param.pyramid_height", 0)
    pool: str = param("spp_param.pool")
    cleared: bool = unsaid(False)  # as a Pooling's

    def levels(self, x: Shape) -> list[Pooling]:
        """One Pooling for each level of the pyramid."""
        found = []
        for bins in (2**i for i in range(self.pyramid_height)):
            kernel: Pair = (-(-x[2] // bins), -(-x[3] // bins))
            pad: Pair = ((kernel[0] * bins - x[2] + 1) // 2, (kernel[1] * bins - x[3] + 1) // 2)
            found.append(Pooling(self.pool, kernel, kernel, pad, cleared=self.cleared))  # type: ignore[call-arg]
        return found

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        if not 1 <= self.pyramid_height <= 16:
            raise Misfit(f"pyramid_height is {self.pyramid_height}; want 1 to 16")
        tops = [tuple(level.shapes(x)[0]) for level in self.levels(x)]
        return tops if len(tops) == 1 else [(x[0], sum(count(top, 1) for top in tops))]

    def over(self, bottoms: Sequence[int]) -> tuple[Layer, str] | None:
        return (self.changed(cleared=True), FILLED) if self.pyramid_height == 1 else None

    def torch(self, em: Emitter, x: Term) -> str:
        pools = [level.torch(em, x) for level in self.levels(x.shape)]
        return pools[0] if len(pools) == 1 else f"torch.cat([{', '.join(f'{p}.flatten(1)' for p in pools)}], 1)"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        pools = [level.onnx(g, x)[0] for level in self.levels(x.shape)]
        return pools[0] if len(pools) == 1 else g.concat([g.flatten(p, 1) for p in pools], 1)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        x = bottoms[0]
        return sum(level.multiply_adds([x], level.shapes(x)) for level in self.levels(x))
