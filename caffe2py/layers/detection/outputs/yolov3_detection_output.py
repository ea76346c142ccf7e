"""Yolov3DetectionOutput: what YOLO of its third version finds, in several layers of the net at once."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Shape, Term, float32, layer, param
from caffe2py.layers.detection.outputs.yolo import YoloOutput, below


@layer("Yolov3DetectionOutput", bottoms=(1, None), fork="MobileNet-YOLO", formula=True)
class Yolov3DetectionOutput(YoloOutput):
    """top (1, 1, M, 7) = rows (0, label, score, left, top, right, bottom), best first; labels count from 1.

    Each bottom (N, num_box * (5 + num_classes), S, S): for each box of a cell its place, size, the chance that there is
    anything, and the classes. A box's middle is ((i + sigmoid(x0)) / S, (j + sigmoid(x1)) / S), its size exp(x2) and
    exp(x3) times the two biases that its mask names over S * anchors_scale. Of each class whose score, sigmoid(x4)
    times its own sigmoid, is above confidence_threshold there is a row. A box that overlaps a better one, of whatever
    label, by nms_threshold or more goes. The images of a batch are taken for one. Where nothing is found there is a row
    for each image with -1 in it. No gradient. Source: yolov3_detection_output_layer.cpp of eric612/MobileNet-YOLO;
    Redmon and Farhadi 2018.
    """

    num_classes: int = param("yolov3_detection_output_param.num_classes", 20)
    num_box: int = param("yolov3_detection_output_param.num_box", 3)
    confidence_threshold: float = param("yolov3_detection_output_param.confidence_threshold", 0.01)
    nms_threshold: float = param("yolov3_detection_output_param.nms_threshold", 0.45)
    biases: tuple[float, ...] = param("yolov3_detection_output_param.biases", ())
    anchors_scale: tuple[int, ...] = param("yolov3_detection_output_param.anchors_scale", ())
    groups: int = param("yolov3_detection_output_param.mask_group_num", 2)
    mask: tuple[int, ...] = param("yolov3_detection_output_param.mask", ())
    gaussian_box: bool = param("yolov3_detection_output_param.gaussian_box", False)

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        number = len(bottoms)
        if self.gaussian_box:
            raise Misfit("says gaussian_box, whose boxes nobody has described; want none")
        if self.groups != number or len(self.anchors_scale) < number:
            have = f"mask_group_num {self.groups} and {len(self.anchors_scale)} anchors_scale"
            raise Misfit(f"has {have} for {number} bottoms; want one for each")
        total = self.grids(bottoms, self.num_box, self.biases)
        masks = [self._mask(i) for i in range(number)]
        if any(len(m) < self.num_box or (max(m, default=0) + 1) * 2 > len(self.biases) for m in masks):
            raise Misfit(f"has {len(self.mask)} mask and {len(self.biases)} biases; want {self.num_box} mask a bottom")
        return [(1, 1, max(total * self.num_classes, bottoms[0][0]), 7)]

    def _mask(self, bottom: int) -> tuple[int, ...]:
        """The numbers of the biases of a bottom's boxes."""
        first = bottom * (len(self.mask) // self.groups)
        return self.mask[first : first + self.num_box]

    def anchors(self, bottom: int) -> list[float]:
        return [b for m in self._mask(bottom) for b in self.biases[2 * m : 2 * m + 2]]

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        scales = list(self.anchors_scale[: len(bottoms)])
        words = {
            "anchors": [self.anchors(i) for i in range(len(bottoms))],
            "scales": scales,
            "classes": self.num_classes,
        }
        bars = {"least": self.confidence_threshold, "most": below(self.nms_threshold)}
        return em.call("yolo_output", f"[{', '.join(bottoms)}]", **words, **bars)

    def onnx(self, g: Builder, *bottoms: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        boxes, scores = [], []
        for i, x in enumerate(bottoms):
            box, some, classes = self.onnx_cells(g, x, self.anchors(i), x.shape[2] * float(self.anchors_scale[i]))
            boxes.append(box)
            scores.append(g.op("Mul", g.op("Sigmoid", classes), some))
        score = g.concat(scores, 0)
        labels = g.constant(np.arange(1, self.num_classes + 1, dtype=np.float32), "labels")
        spread = g.op("Add", g.op("Mul", score, 0.0), labels)
        bar = float32(self.confidence_threshold)
        return self.onnx_rows(g, g.concat(boxes, 0), score, spread, bottoms[0].shape[0], bar)
