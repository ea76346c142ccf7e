"""YoloDetectionOutput: what YOLO of its second version finds."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Shape, Term, layer, param
from caffe2py.layers.detection.outputs.yolo import YoloOutput, below


@layer("YoloDetectionOutput", fork="MobileNet-YOLO", formula=True)
class YoloDetectionOutput(YoloOutput):
    """top (1, 1, M, 7) = rows (0, label, score, left, top, right, bottom), best first; labels count from 1.

    x (N, num_box * (5 + num_classes), S, S): for each box of a cell its place, size, the chance that there is anything,
    and the classes. A box's middle is ((i + sigmoid(x0)) / S, (j + sigmoid(x1)) / S), its size exp(x2) and exp(x3)
    times its two biases over S. The score is sigmoid(x4) times the largest of the classes' softmax,
    confidence_threshold at the least. A box that overlaps a better one, of whatever label, by nms_threshold or more
    goes. The images of a batch are taken for one. Where nothing is found there is a row for each image with -1 in it.
    No gradient. Source: yolo_detection_output_layer.cpp of eric612/MobileNet-YOLO; Redmon and Farhadi 2016.
    """

    num_classes: int = param("yolo_detection_output_param.num_classes", 20)
    num_box: int = param("yolo_detection_output_param.num_box", 5)
    coords: int = param("yolo_detection_output_param.coords", 4)
    side: int = param("yolo_detection_output_param.side", 13)  # not read: it is that of the bottom
    confidence_threshold: float = param("yolo_detection_output_param.confidence_threshold", 0.01)
    nms_threshold: float = param("yolo_detection_output_param.nms_threshold", 0.45)
    biases: tuple[float, ...] = param("yolo_detection_output_param.biases", ())

    def shapes(self, x: Shape) -> Sequence[Shape]:
        total = self.grids([x], self.num_box, self.biases)
        if len(self.biases) < 2 * self.num_box:
            raise Misfit(f"has {len(self.biases)} biases for {self.num_box} boxes; want two for each")
        return [(1, 1, max(total, x[0]), 7)]

    def torch(self, em: Emitter, x: Term) -> str:
        biases = list(self.biases[: 2 * self.num_box])
        words = {"anchors": [biases], "scales": [1], "classes": self.num_classes, "one": True}
        bars = {"least": below(self.confidence_threshold), "most": below(self.nms_threshold)}
        return em.call("yolo_output", f"[{x}]", **words, **bars)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        side = float(x.shape[2])
        boxes, some, classes = self.onnx_cells(g, x, self.biases[: 2 * self.num_box], side)
        score = g.op("Mul", some, g.reduce("ReduceMax", g.softmax(classes, 1), [1]))
        label = g.op("Add", g.cast(g.op("ArgMax", classes, axis=1, keepdims=1, shape=score.shape), "float"), 1.0)
        return self.onnx_rows(g, boxes, score, label, x.shape[0], below(self.confidence_threshold))
