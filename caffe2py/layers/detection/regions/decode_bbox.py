"""DecodeBBox: the regions that a net says by their differences from others."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Shape, Term, count, layer, text
from caffe2py.layers.detection.regressing import Regressing


@layer("DecodeBBox", bottoms=(2, 3), fork="MS-CNN", formula=True)
class DecodeBBox(Regressing):
    """top[r] = image, and the box that said[r] makes of rois[r].

    said (R, 8): for the background and the thing four numbers each, of which the thing's count; rois and top (R, 5):
    image, left, top, right, bottom. With d = said * bbox_std + bbox_mean, w = right - left + 1 and its middle c = (left
    + right) / 2, a side becomes e = w * exp(d), from c + d * w - (e - 1) / 2 on, e - 1 long. A third bottom is for
    training. Source: decode_bbox_layer.cpp of zhaoweicai/cascade-rcnn; Cai and Vasconcelos 2018.
    """

    def shapes(self, said: Shape, rois: Shape, *matched: Shape) -> Sequence[Shape]:
        if not rois or count(rois, 1) != 5 or said[:1] != rois[:1] or count(said, 1) != 8:
            raise Misfit(f"has bottoms of shape {text(said)} and {text(rois)}; want (R, 8) and (R, 5)")
        self.check_units()
        return [rois]

    def torch(self, em: Emitter, said: Term, rois: Term, *matched: Term) -> str:
        return em.call("decode_regions", said, rois, **self.units())

    def onnx(self, g: Builder, said: Handle, rois: Handle, *matched: Handle) -> Handle:
        number = rois.shape[0]
        _, d = g.split(g.reshape(said, (number, 8)), [4, 4], 1)
        d = self.onnx_units(g, d)
        image, low, high = g.split(g.reshape(rois, (number, 5)), [1, 2, 2], 1)
        place, growth = g.split(d, [2, 2], 1)
        size = g.op("Add", g.op("Sub", high, low), 1.0)
        middle = g.op("Add", g.op("Mul", place, size), g.op("Mul", g.op("Add", low, high), 0.5))
        half = g.op("Mul", g.op("Sub", g.op("Mul", size, g.op("Exp", growth)), 1.0), 0.5)
        return g.reshape(g.concat([image, g.op("Sub", middle, half), g.op("Add", middle, half)], 1), g.tops[0])
