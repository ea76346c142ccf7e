"""BoxOutput: the regions that MS-CNN proposes, from several layers of the net at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Shape, Term, layer, param, text, top_count
from caffe2py.layers.detection.boxes import best, found_rows, kept_apart, picked
from caffe2py.layers.detection.regressing import Regressing


@layer("BoxOutput", bottoms=(1, None), tops=(1, 2), fork="MS-CNN", formula=True)
class BoxOutput(Regressing):
    """tops = rows (image, left, top, right, bottom), and the same with the score, of the regions found, best first.

    Each bottom (N, classes + 4, H, W): scores, the background's first, and four numbers d, times bbox_std plus
    bbox_mean where those are given. Of a place (h, w) the score is that of the best class less the background's, fg_thr
    at the least; the box is field_w * exp(d2) wide around d0 * field_w + (w + 0.5) * downsample_rate, with d0 within
    +-1 / field_xyr and d2 within +-log(field_whr), and is cut to the picture; so is its height. Those with a side below
    min_size go, then all but the max_nms_num best of an image, then those that overlap a better one by more than
    iou_thr (by the share of the smaller one: nms_type IOMU), then all but max_post_nms_num (0: all). Where nothing is
    found there is one row, 0, 1, 1, 10, 10, and one of six zeros. The shape said here is that of as many as there can
    be. No gradient. Source: box_output_layer.cpp of zhaoweicai/mscnn; Cai et al. 2016.
    """

    measured = 0
    stepwise = True
    fg_thr: float = param("box_output_param.fg_thr", 0.0)
    iou_thr: float = param("box_output_param.iou_thr", 0.5)
    nms_type: str = param("box_output_param.nms_type", "IOU")
    field_h: tuple[int, ...] = param("box_output_param.field_h", ())
    field_w: tuple[int, ...] = param("box_output_param.field_w", ())
    downsample_rate: tuple[int, ...] = param("box_output_param.downsample_rate", ())
    field_whr: float = param("box_output_param.field_whr", 2.0)
    field_xyr: float = param("box_output_param.field_xyr", 2.0)
    max_nms_num: int = param("box_output_param.max_nms_num", 0)
    max_post_nms_num: int = param("box_output_param.max_post_nms_num", 0)
    min_size: float = param("box_output_param.min_size", 15.0)
    outputs: int = top_count()

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        for word, values in (
            ("field_h", self.field_h),
            ("field_w", self.field_w),
            ("downsample_rate", self.downsample_rate),
        ):
            if len(values) != len(bottoms):
                raise Misfit(f"gives {len(values)} {word} for {len(bottoms)} bottoms; want one for each")
        for x in bottoms:
            if len(x) != 4 or x[:2] != bottoms[0][:2] or x[1] < 6:
                raise Misfit(
                    f"has a bottom of shape {text(x)}; want (N, classes + 4, H, W), N and classes as the first"
                )
        self.check_units()
        if not self.field_whr > 0:
            raise Misfit(f"field_whr is {self.field_whr:g}; want it above 0")
        if self.nms_type not in ("IOU", "IOMU"):
            raise Misfit(f"nms_type is {self.nms_type}; want IOU or IOMU")
        most = bottoms[0][0] * min(self.candidates(bottoms), self.max_post_nms_num or 2**31)
        return [(most, 5, 1, 1), (most, 6, 1, 1)][: self.outputs]

    def candidates(self, bottoms: Sequence[Shape]) -> int:
        places = sum(x[2] * x[3] for x in bottoms)
        return min(places, self.max_nms_num) if self.max_nms_num else places

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        fields = [list(field) for field in zip(self.field_h, self.field_w, self.downsample_rate, strict=True)]
        words = {"fields": fields, "least": self.fg_thr, "most": self.iou_thr, "smallest": self.min_size}
        bounds = {"growth": math.log(self.field_whr), "reach": 1 / self.field_xyr}
        limits = {"before": self.max_nms_num, "behind": self.max_post_nms_num, "of_smaller": self.nms_type == "IOMU"}
        given = {**words, **bounds, **{k: v for k, v in limits.items() if v}, **self.units()}
        called = em.call("box_output", f"[{', '.join(bottoms)}]", **given)
        return called if self.outputs == 2 else f"{called}[0]"

    def onnx(self, g: Builder, *bottoms: Handle) -> Sequence[Handle]:
        import numpy as np  # here, so that a net can be shown without it

        if self.nms_type != "IOU":
            raise Misfit(f"keeps boxes apart by {self.nms_type}, which NonMaxSuppression cannot")
        parts = []
        for x, high, wide, rate in zip(bottoms, self.field_h, self.field_w, self.downsample_rate, strict=True):
            parts.append(self._boxes(g, x, high, wide, rate))
        # Of equal scores the last place comes first.
        boxes, scores = (g.concat(list(reversed(row)), 1) for row in zip(*parts, strict=True))
        k = self.candidates([x.shape for x in bottoms])
        scores, index = best(g, scores, k)
        boxes = picked(g, boxes, index)
        kept = kept_apart(g, boxes, scores, g.lowest, self.iou_thr, limit=self.max_post_nms_num or None)
        rows = g.op("Concat", *found_rows(g, kept, boxes, scores), axis=1)
        none = g.op("Equal", g.slice(g.op("Shape", rows, shape=(2,)), 0, 0, 1), g.constant([0], "none"))
        tops = []
        for blank, columns in (([0.0, 1, 1, 10, 10], 5), ([0.0] * 6, 6)):
            instead = g.op("Compress", g.constant(np.array([blank], np.float32), "blank"), none, axis=0)
            made = g.op("Concat", g.slice(rows, 1, 0, columns), instead, axis=0)
            tops.append(g.unsqueeze(made, [2, 3]))
        return tops[: self.outputs]

    def _boxes(self, g: Builder, x: Handle, field_h: int, field_w: int, rate: int) -> tuple[Handle, Handle]:
        """The boxes (N, P, 4) of one bottom and their scores (N, P), the last place first."""
        import numpy as np  # here, so that a net can be shown without it

        n, channels, high, wide = x.shape
        places = high * wide
        turned = g.slice(g.reshape(x, (n, channels, places)), 2, -1, -places - 1, -1)
        turned = Handle(turned, (n, channels, places))
        back, things, d = g.split(turned, [1, channels - 5, 4], 1)
        score = g.op("Sub", g.reduce("ReduceMax", things, [1], keepdims=False), g.squeeze(back, [1]))
        place, growth = g.split(self.onnx_units(g, d, behind=1), [2, 2], 1)
        field = g.constant(np.array([[field_w], [field_h]], np.float32), "field")
        y, x_ = np.divmod(np.arange(places)[::-1], wide)
        middle = g.constant((np.stack([x_, y]) + 0.5) * rate, "places")
        place = g.op("Min", g.op("Max", place, -1 / self.field_xyr), 1 / self.field_xyr)
        growth = g.op("Min", g.op("Max", growth, -math.log(self.field_whr)), math.log(self.field_whr))
        size = g.op("Mul", field, g.op("Exp", growth))
        low = g.op("Sub", g.op("Add", g.op("Mul", place, field), middle), g.op("Mul", size, 0.5))
        low = g.op("Max", low, 0.0)
        edge = g.constant(np.array([[wide * rate], [high * rate]], np.float32), "edge")
        size = g.op("Min", size, g.op("Sub", edge, low))
        large = g.reduce("ReduceMin", g.cast(g.op("GreaterOrEqual", size, self.min_size), "float"), [1], keepdims=False)
        good = g.op("And", g.op("Greater", large, 0.5), g.op("GreaterOrEqual", score, self.fg_thr))
        boxes = g.transpose(g.concat([low, g.op("Add", low, size)], 1), (0, 2, 1))
        return boxes, g.op("Where", good, score, g.lowest)
