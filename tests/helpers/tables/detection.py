"""Layers that find things: the rules of the forks' sources once more, in numpy, box by box."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

import numpy as np

from tests.helpers.tables.layers import Array, Table, diff, values

Box = Sequence[float]


def rounded(x: float) -> int:
    """C's round: a half goes away from 0."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


# Image, left, top, right, bottom: of the second image, a point, inside out, over the edges, outside, halves.
ROIS = np.array(
    [[0, 0, 0, 15, 11], [1, 2, 3, 9, 8], [1, 6, 6, 6, 6], [0, 9, 8, 3, 2], [0, -9, -6, 40, 30], [1, 90, 90, 99, 99],
     [0, 1, 1, 5, 9], [1, -3, -1, 3, 5]], float,
)  # fmt: skip


def roi_pooling() -> list[Table]:
    found = []
    x = values(2, 3, 7, 9)
    for params in [
        "pooled_h: 2 pooled_w: 3 spatial_scale: 0.5",
        "pooled_h: 5 pooled_w: 4",
        "pooled_h: 3 pooled_w: 3 spatial_scale: 0.5 pad_ratio: 0.25",
    ]:
        words = dict(pair.split(": ") for pair in re.findall(r"\w+: \S+", params))
        bins, scale = (int(words["pooled_h"]), int(words["pooled_w"])), float(words.get("spatial_scale", 1))
        top = np.zeros((len(ROIS), 3, *bins))
        for r, (image, left, up, right, down) in enumerate(ROIS):
            pad = [float(words.get("pad_ratio", 0)) * (n + 1) for n in (down - up, right - left)]
            starts = [rounded((v - p) * scale) for v, p in zip((up, left), pad, strict=True)]
            ends = [rounded((v + p) * scale) for v, p in zip((down, right), pad, strict=True)]
            sizes = [max(e - s + 1, 1) for s, e in zip(starts, ends, strict=True)]
            for place in itertools.product(*map(range, bins)):
                rows, columns = (
                    slice(
                        min(max(math.floor(p * n / b) + s, 0), most),
                        min(max(math.ceil((p + 1) * n / b) + s, 0), most),
                    )
                    for p, n, b, s, most in zip(place, sizes, bins, starts, x.shape[2:], strict=True)
                )
                part = x[int(image), :, rows, columns]
                top[(r, slice(None), *place)] = part.max((1, 2)) if part.size else 0
        found.append(Table(params, "ROIPooling", f"roi_pooling_param {{ {params} }}", [x, ROIS], [top]))
    return found


def smooth_l1() -> list[Table]:
    found = []
    x, y, inside, outside = (values(3, 4, seed=seed) for seed in range(4))
    for sigma, weights in itertools.product((1.0, 3.0), ([], [inside], [inside, outside])):
        d = (x - y) * (weights[0] if weights else 1)
        losses = np.where(np.abs(d) < 1 / sigma**2, (sigma * d) ** 2 / 2, np.abs(d) - 0.5 / sigma**2)
        slope = np.where(np.abs(d) < 1 / sigma**2, sigma**2 * d, np.sign(d)) * (weights[0] if weights else 1)
        out = weights[1] if len(weights) > 1 else 1
        top = np.asarray((losses * out).sum() / 3)
        grad = slope * out / 3 * diff(top)
        gradients = [grad, -grad, *(w * 0 for w in weights)]
        name = f"sigma {sigma:g}, {len(weights)} weights"
        params = f"smooth_l1_loss_param {{ sigma: {sigma} }}"
        found.append(Table(name, "SmoothL1Loss", params, [x, y, *weights], [top], gradients))
    return found


def normalize() -> list[Table]:
    x = values(2, 3, 4, 5)
    length = np.sqrt((x**2).sum(1, keepdims=True) + 1e-6)
    params = 'normalize_param { normalize_type: "L2" }'
    return [
        Table("happynear's two tops", "Normalize", params, [x], [x / length, length]),
        Table("bare", "Normalize", "", [x], [x / length]),
    ]


def refined() -> list[Table]:
    """RefineDet's DetectionOutput: five bottoms."""
    images, places, classes = 2, 6, 3
    random = np.random.RandomState(5)
    corner = random.uniform(0, 0.6, (places, 2))
    prior = np.stack([np.hstack([corner, corner + random.uniform(0.2, 0.4, (places, 2))]), np.full((places, 4), 0.1)])
    loc, arm_loc = random.uniform(-1, 1, (2, images, places, 4))
    conf, arm_conf = random.uniform(0, 1, (images, places, classes)), random.uniform(0, 1, (images, places, 2))
    rows = []
    for i in range(images):
        scores = np.where(arm_conf[i, :, 1:] < 0.3, [[1.0, 0.0, 0.0]], conf[i])
        boxes = [
            decoded(loc[i, p], decoded(arm_loc[i, p], prior[0, p], prior[1, p]), prior[1, p]) for p in range(places)
        ]
        for label in (1, 2):
            chosen = [p for p in np.argsort(-scores[:, label], kind="stable") if scores[p, label] > 0.2]
            kept = apart([boxes[p] for p in chosen], 0.4)
            rows += [[i, label, scores[chosen[k], label], *boxes[chosen[k]]] for k in kept]
    params = """detection_output_param { num_classes: 3 code_type: CENTER_SIZE confidence_threshold: 0.2
        objectness_score: 0.3 nms_param { nms_threshold: 0.4 } }"""
    bottoms = [
        loc.reshape(images, -1), conf.reshape(images, -1), prior.reshape(1, 2, -1), arm_conf.reshape(images, -1),
        arm_loc.reshape(images, -1),
    ]  # fmt: skip
    return [Table("RefineDet's", "DetectionOutput", params, bottoms, [np.array(rows)[None, None]])]


def decoded(said: Array, box: Array, variance: Array) -> Array:
    """CENTER_SIZE."""
    size, middle = box[2:] - box[:2], (box[:2] + box[2:]) / 2
    middle, half = middle + variance[:2] * said[:2] * size, np.exp(variance[2:] * said[2:]) * size / 2
    return np.hstack([middle - half, middle + half])


def iou(a: Box, b: Box, pixel: float = 0.0) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0]) + pixel
    high = min(a[3], b[3]) - max(a[1], b[1]) + pixel
    if wide <= 0 or high <= 0:
        return 0.0
    areas = sum((c[2] - c[0] + pixel) * (c[3] - c[1] + pixel) for c in (a, b))
    return wide * high / (areas - wide * high)


def apart(boxes: Sequence[Box], most: float, pixel: float = 0.0) -> list[int]:
    """Which boxes overlap none that is kept before them by more than `most`."""
    kept: list[int] = []
    for i, box in enumerate(boxes):
        if all(iou(box, boxes[k], pixel) <= most for k in kept):
            kept.append(i)
    return kept


def nothing() -> list[Table]:
    """Limits that leave nothing, whatever the scores are."""
    bottoms = [values(2, 8), np.abs(values(2, 6)), values(1, 2, 8)]
    top = np.full((1, 1, 2, 7), -1.0)
    top[0, 0, :, 0] = 0, 1
    limits = ("keep_top_k: 0", "nms_param { top_k: 0 }")
    return [
        Table(limit, "DetectionOutput", f"detection_output_param {{ num_classes: 3 {limit} }}", bottoms, [top])
        for limit in limits
    ]


def flat_priors() -> list[Table]:
    """Maps of three axes are one column wide: a square of 4 pixels at each of 3 places of a picture of 20 x 1."""
    middle = np.array([[0.5, (h + 0.5) * 20 / 3] * 2 for h in range(3)])
    boxes = (middle + np.array([-2, -2, 2, 2])) / [1, 20, 1, 20]
    top = np.stack([boxes.ravel(), np.full(12, 0.1)])[None]
    return [
        Table("three axes", "PriorBox", "prior_box_param { min_size: 4 }", [values(1, 2, 3), values(1, 3, 20)], [top])
    ]


TABLES = [*flat_priors(), *roi_pooling(), *smooth_l1(), *normalize(), *refined(), *nothing()]
