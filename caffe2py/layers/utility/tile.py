"""Tile: repetition along one axis."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, axis, layer, param


@layer("Tile")
class Tile(Layer):
    """x, `tiles` times one after another along `axis`. Source: tile_layer.cpp."""

    axis: int = param("tile_param.axis")
    tiles: int = param("tile_param.tiles", 0)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if self.tiles < 1:
            raise Misfit(f"tiles is {self.tiles}; want at least 1")
        at = axis(self.axis, x)
        return [(*x[:at], x[at] * self.tiles, *x[at + 1 :])]

    def torch(self, em: Emitter, x: Term) -> str:
        return f"torch.cat([{x}] * {self.tiles}, {self.axis})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return g.concat([x] * self.tiles, axis(self.axis, x.shape))
