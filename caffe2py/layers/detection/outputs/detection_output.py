"""DetectionOutput: what SSD finds, from the boxes and scores that it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe2py.layers.base import (
    LOWEST,
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
from caffe2py.layers.detection.boxes import best, decoded, kept_apart, marked, picked


@layer("DetectionOutput", bottoms=(3, 5), fork="SSD")
class DetectionOutput(Layer):
    """top = a row (image, label, score, left, top, right, bottom) for each thing found.

    loc (N, P * 4), or (N, P * num_classes * 4) without share_location; conf (N, P * num_classes), after a softmax;
    prior (1, 2, P * 4), boxes and variances; top (1, 1, M, 7). A box is said by its differences d from the prior one:
    CORNER prior + variance * d; CORNER_SIZE the same times the prior's size; CENTER_SIZE middle + variance * d * size,
    and a size of exp(variance * d) * size; with variance_encoded_in_target without the variances. Of each label but
    the background the scores above confidence_threshold, the top_k best of them, count; the best first, those that
    overlap one before them by more than nms_threshold go, a threshold above 0.5 shrinking by eta after each that
    stays; then the keep_top_k best of an image. Rows are by image, label, and falling score. Where nothing is found
    there is a row for each image with -1 in it. The shape said here is that of as many as there can be.

    RefineDet's bottoms 3 and 4, scores (N, P * 2) and locations (N, P * 4), come first: prior boxes are
    decoded by the locations, and where the second score is below objectness_score, that of class 0 is 1, all others 0.
    No gradient. Source: detection_output_layer.cpp and bbox_util.cpp of SSD and RefineDet; Liu et al. 2016.
    """

    finds = True
    measured = 2
    stepwise = True
    num_classes: int = param("detection_output_param.num_classes", 0)
    share_location: bool = param("detection_output_param.share_location", True)
    background: int = param("detection_output_param.background_label_id", 0)
    code_type: str = param("detection_output_param.code_type", "CORNER")
    encoded: bool = param("detection_output_param.variance_encoded_in_target", False)
    threshold: float | None = optional("detection_output_param.confidence_threshold")
    nms_threshold: float = param("detection_output_param.nms_param.nms_threshold", 0.3)
    eta: float = param("detection_output_param.nms_param.eta", 1.0)
    top_k: int = param("detection_output_param.nms_param.top_k", -1)
    keep_top_k: int = param("detection_output_param.keep_top_k", -1)
    objectness: float = param("detection_output_param.objectness_score", 0.01)
    shares: bool = param("detection_output_param.normalized_bbox", True)  # OpenCV's word, and OpenVINO's
    in_shares: bool = param("detection_output_param.normalized", True)

    @property
    def labels(self) -> list[int]:
        """All but the background."""
        return [c for c in range(self.num_classes) if c != self.background]

    def candidates(self, places: int) -> int:
        """How many boxes of a label count."""
        return places if self.top_k < 0 else min(self.top_k, places)

    def shapes(self, loc: Shape, conf: Shape, prior: Shape, *arm: Shape) -> Sequence[Shape]:
        self.check()
        if len(prior) < 3 or prior[1] != 2 or prior[2] % 4:
            raise Misfit(f"has priors of shape {text(prior)}; want (1, 2, 4 numbers for each box)")
        places = prior[2] // 4
        each = 1 if self.share_location else self.num_classes
        wanted = [(loc, each * 4), (conf, self.num_classes), *zip(arm, (2, 4), strict=False)]
        for i, (shape, numbers) in enumerate(wanted):
            if shape[:1] != loc[:1] or count(shape, 1) != places * numbers:
                what = f"{numbers} numbers for each of {places} prior boxes"
                raise Misfit(f"bottom {i + (i > 1)} is {text(shape)}; want (N, {places * numbers}), {what}")
        most = len(self.labels) * self.candidates(places)
        most = most if self.keep_top_k < 0 else min(most, self.keep_top_k)
        return [(1, 1, loc[0] * max(most, 1), 7)]

    def check(self) -> None:
        if self.num_classes < 1:
            raise Misfit("has no num_classes; want the number of labels, the background among them")
        if self.code_type not in ("CORNER", "CENTER_SIZE", "CORNER_SIZE"):
            raise Misfit(f"has code_type {self.code_type}; want CORNER, CENTER_SIZE or CORNER_SIZE")
        if not (self.shares and self.in_shares):
            raise Misfit("says boxes in pixels, as SSD does not; want them in shares of the image's size")
        if self.nms_threshold < 0 or not 0 < self.eta <= 1:
            raise Misfit(f"has nms_threshold {self.nms_threshold:g} and eta {self.eta:g}; want 0 or more, and 0 to 1")

    @property
    def least(self) -> float:
        """What a score must be above; by Caffe's default any number is."""
        return LOWEST if self.threshold is None else self.threshold

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        words = {
            "classes": (self.num_classes, None),
            "background": (self.background, 0),
            "shared": (self.share_location, True),
            "code": (self.code_type, "CORNER"),
            "scaled": (self.encoded, False),
            "least": (self.least, LOWEST),
            "most": (self.nms_threshold, None),
            "eta": (self.eta, 1.0),
            "top_k": (self.top_k, -1),
            "keep": (self.keep_top_k, -1),
            "objectness": (self.objectness, 0.01),
        }
        given = {word: value for word, (value, default) in words.items() if value != default}
        return em.call("detection_output", *bottoms, **given)

    def onnx(self, g: Builder, loc: Handle, conf: Handle, prior: Handle, *arm: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        n, places, classes = loc.shape[0], prior.shape[2] // 4, self.num_classes
        labels, k = self.labels, self.candidates(prior.shape[2] // 4)
        if not labels or not k or self.keep_top_k == 0:
            nothing = g.constant(np.zeros((0, 7), np.float32), "nothing")
            return g.unsqueeze(no_rows(g, nothing, n), [0, 1])
        if prior.shape[0] != 1:  # all images have those of the first
            prior = g.op("Gather", prior, g.constant([0], "first"), axis=0, shape=(1, *prior.shape[1:]))
        boxes = self._boxes(g, loc, prior, arm[1:])
        scores = self._scores(g, g.reshape(conf, (n, places, classes)), arm[:1])
        scores = g.op("Gather", g.transpose(scores, (0, 2, 1)), g.constant(labels, "labels"), axis=1)
        rows = n * len(labels)
        scores, index = best(g, g.reshape(scores, (rows, places)), k)
        if self.share_location:
            boxes = picked(g, boxes, g.reshape(index, (n, len(labels) * k)))
        else:
            boxes = g.op("Gather", boxes, g.constant(labels, "labels"), axis=1)
            boxes = picked(g, g.reshape(boxes, (rows, places, 4)), index)
        kept = kept_apart(g, g.reshape(boxes, (rows, k, 4)), scores, self.least, self.nms_threshold, self.eta)
        kept, scores = (g.reshape(x, (n, len(labels) * k)) for x in (kept, scores))
        if 0 <= self.keep_top_k < len(labels) * k:
            ranked = g.op("Where", kept, scores, g.lowest)
            kept = g.op("And", kept, marked(g, best(g, ranked, self.keep_top_k)[1], kept.shape))
        place = g.transpose(g.op("NonZero", g.reshape(kept, (n, len(labels), k))), (1, 0))
        found = [
            g.cast(g.slice(place, 1, 0, 1), "float"),
            g.op("Gather", g.constant(np.array(labels, np.float32), "names"), g.slice(place, 1, 1, 2), axis=0),
            g.unsqueeze(g.op("GatherND", g.reshape(scores, (n, len(labels), k)), place), [1]),
            g.op("GatherND", g.reshape(boxes, (n, len(labels), k, 4)), place),
        ]
        return g.unsqueeze(no_rows(g, g.op("Concat", *found, axis=1), n), [0, 1])

    def _boxes(self, g: Builder, loc: Handle, prior: Handle, arm: Sequence[Handle]) -> Handle:
        """(N, P, 4), or (N, num_classes, P, 4) where each label has its own."""
        n, places = loc.shape[0], prior.shape[2] // 4
        before, variance = (g.reshape(x, (1, places, 4)) for x in g.split(g.reshape(prior, (2, places, 4)), [1, 1], 0))
        spread = None if self.encoded else variance
        if arm:
            before = decoded(g, g.reshape(arm[0], (n, places, 4)), before, spread, self.code_type)
        if self.share_location:
            return decoded(g, g.reshape(loc, (n, places, 4)), before, spread, self.code_type)
        said = g.transpose(g.reshape(loc, (n, places, self.num_classes, 4)), (0, 2, 1, 3))
        return decoded(g, said, g.unsqueeze(before, [1]), spread, self.code_type)

    def _scores(self, g: Builder, scores: Handle, arm: Sequence[Handle]) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        if not arm:
            return scores
        thing = g.slice(g.reshape(arm[0], (*scores.shape[:2], 2)), 2, 1, 2)
        nothing = g.constant(np.eye(1, self.num_classes, dtype=np.float32), "nothing")
        return g.op("Where", g.op("Less", thing, self.objectness), nothing, scores)


def no_rows(g: Builder, rows: Handle, images: Any) -> Handle:
    """The rows, or where there are none one for each image that says so."""
    number = g.op("Shape", rows, shape=(2,))
    none = g.op("Equal", g.slice(number, 0, 0, 1), g.constant([0], "none"))
    last = g.squeeze(g.shape([images]), [0])
    image = g.op("Range", g.constant(0, "first"), last, g.constant(1, "step"), shape=(images,))
    empty = g.pad(g.unsqueeze(g.cast(image, "float"), [1]), (0, 0), (0, 6), -1.0)
    said = g.op("Compress", empty, g.op("Expand", none, g.shape((images,))), axis=0)
    return g.op("Concat", rows, said, axis=0)
