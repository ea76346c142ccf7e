"""Interp: bilinear resizing with corners kept."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    count,
    layer,
    optional,
    param,
    text,
)


@layer("Interp", fork="DeepLab")
class Interp(Layer):
    """x (N, C, H, W) resized bilinearly; corners stay corners: row i of the top is row i (H - 1) / (H' - 1) of x.

    pad_beg and pad_end, 0 or less, cut rows and columns off first. H' is (H - 1) / shrink_factor + 1 rounded down;
    or H + (H - 1) (zoom_factor - 1); or `height`, with `width`; or, of shrink_factor and zoom_factor together, the two
    one after the other. What is given counts, whatever its value. Source: interp_layer.cpp of DeepLab v2's and
    PSPNet's Caffe.
    """

    height: int | None = optional("interp_param.height")
    width: int | None = optional("interp_param.width")
    zoom: int | None = optional("interp_param.zoom_factor")
    shrink: int | None = optional("interp_param.shrink_factor")
    pad_beg: int = param("interp_param.pad_beg", 0)
    pad_end: int = param("interp_param.pad_end", 0)

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        if max(self.pad_beg, self.pad_end) > 0:
            raise Misfit(f"pads by {self.pad_beg} and {self.pad_end}; want 0 or less, which cuts")
        for word, factor in (("zoom_factor", self.zoom), ("shrink_factor", self.shrink)):
            if factor is not None and factor < 1:
                raise Misfit(f"{word} is {factor}; want at least 1")
        kept = [n + self.pad_beg + self.pad_end for n in x[2:]]
        size = self.sized(kept)
        if min((*kept, *size)) < 1:
            raise Misfit(f"makes {text(tuple(size))} of {text(tuple(kept))} rows and columns; want 1 at least")
        return [(*x[:2], *size)]

    def sized(self, kept: Sequence[int]) -> list[int]:
        """Rows and columns of the top, of those of x that are kept."""
        if self.is_sized():
            return [self.height or 0, self.width or 0]
        if self.zoom is None and self.shrink is None:
            raise Misfit("says no size; want height and width, zoom_factor or shrink_factor")
        return [(n - 1) // (self.shrink or 1) * (self.zoom or 1) + 1 for n in kept]

    def is_sized(self) -> bool:
        """Do height and width count? Not where one factor is given alone."""
        return None not in (self.height, self.width) and (self.zoom is None) == (self.shrink is None)

    def torch(self, em: Emitter, x: Term) -> str:
        part = f"{-self.pad_beg or ''}:{self.pad_end or ''}"
        cut = f"{x}[:, :, {part}, {part}]" if self.pad_beg or self.pad_end else str(x)
        if self.is_sized():
            return f'F.interpolate({cut}, {(self.height, self.width)}, mode="bilinear", align_corners=True)'
        return em.call("resize", cut, zoom=self.zoom or 1, shrink=self.shrink or 1)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        for at in (2, 3):
            if self.pad_beg or self.pad_end:
                x = g.slice(x, at, -self.pad_beg, x.shape[at] + self.pad_end)
        return onnx_bilinear(g, x, g.tops[0])

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 4 * count(tops[0])

    def summary(self) -> str:
        factors = {"zoom": self.zoom, "shrink": self.shrink}
        said = [f"to {self.height}x{self.width}"] if self.is_sized() else [f"{w} {v}" for w, v in factors.items() if v]
        return ", ".join([*said, *(["cut"] if self.pad_beg or self.pad_end else [])])


def onnx_bilinear(g: Builder, x: Handle, shape: Sequence[object]) -> Handle:
    """x resized to the rows and columns of a shape, corners staying corners."""
    g.need(13, "Resize by sizes alone")
    words = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return g.op("Resize", x, None, None, g.shape(shape), shape=shape, **words)
