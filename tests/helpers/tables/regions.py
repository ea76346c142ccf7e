"""Layers that propose regions, pool them and find things in grids: the forks' rules once more, in numpy, one by one."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tests.helpers.tables.detection import ROIS, apart, iou, rounded
from tests.helpers.tables.layers import Array, Table, values


def psroi() -> list[Table]:
    found = []
    for dim, group, scale in [(2, 3, 0.5), (3, 2, 1.0)]:
        x = values(2, dim * group**2, 7, 9)
        top = np.zeros((len(ROIS), dim, group, group))
        for r, (image, left, up, right, down) in enumerate(ROIS):
            starts = [rounded(v) * scale for v in (up, left)]
            each = [max((rounded(v) + 1) * scale - s, 0.1) / group for v, s in zip((down, right), starts, strict=True)]
            for d, i, j in itertools.product(range(dim), range(group), range(group)):
                rows, columns = (
                    slice(
                        min(max(math.floor(p * e + s), 0), most),
                        min(max(math.ceil((p + 1) * e + s), 0), most),
                    )
                    for p, e, s, most in zip((i, j), each, starts, x.shape[2:], strict=True)
                )
                part = x[int(image), (d * group + i) * group + j, rows, columns]
                top[r, d, i, j] = part.mean() if part.size else 0
        params = f"psroi_pooling_param {{ spatial_scale: {scale} output_dim: {dim} group_size: {group} }}"
        found.append(Table(f"{dim} of {group}", "PSROIPooling", params, [x, ROIS], [top]))
    return found


def at(image: Array, y: float, x: float, reach: float = 1) -> float:
    """The value between four pixels, that of the edge up to a pixel (`reach`) outside, then 0."""
    high, wide = image.shape
    if not (-reach <= y <= high - 1 + reach and -reach <= x <= wide - 1 + reach):
        return 0.0
    y, x = min(max(y, 0), high - 1), min(max(x, 0), wide - 1)
    top, left = int(y), int(x)
    below, right = min(top + 1, high - 1), min(left + 1, wide - 1)
    dy, dx = y - top, x - left
    above = image[top, left] * (1 - dx) + image[top, right] * dx
    return float(above * (1 - dy) + (image[below, left] * (1 - dx) + image[below, right] * dx) * dy)


def roi_align() -> list[Table]:
    found = []
    x = values(2, 2, 7, 9)
    blocks = [("roi_align", (2, 3), 0.5, 0), ("roi_pooling", (3, 2), 1.0, 0), ("roi_pooling", (2, 2), 0.5, 0.25)]
    for block, (high, wide), scale, pad in blocks:
        top = np.zeros((len(ROIS), 2, high, wide))
        wider = (ROIS[:, 3:] - ROIS[:, 1:3] + 1) * pad
        rois = np.concatenate([ROIS[:, :1], (ROIS[:, 1:3] - wider) * scale, (ROIS[:, 3:] + wider) * scale], 1)
        for r, (image, left, up, right, down) in enumerate(rois):
            sides = max(down - up, 1) / high, max(right - left, 1) / wide
            for c, i, j in itertools.product(range(2), range(high), range(wide)):
                places = itertools.product((0.25, 0.75), repeat=2)
                samples = [at(x[int(image), c], up + (i + a) * sides[0], left + (j + b) * sides[1]) for a, b in places]
                top[r, c, i, j] = np.mean(samples)
        words = f"pooled_h: {high} pooled_w: {wide} spatial_scale: {scale} pad_ratio: {pad}"
        found.append(Table(f"{block} {pad}", "ROIAlign", f"{block}_param {{ {words} }}", [x, ROIS], [top]))
    return found


def masks() -> list[Table]:
    x, mask = values(3, 4, 5, 6), values(3, 1, 5, 6, seed=4)
    small = values(2, 3, 4, 5)
    resized = []
    for high, wide in [(7, 3), (11, 10), (8, 13)]:  # doubled is within half a pixel of the last, more is not
        top = np.zeros((2, 3, high, wide))
        for n, c, i, j in np.ndindex(*top.shape):
            top[n, c, i, j] = at(small[n, c], i * 4 / high, j * 5 / wide, reach=0.5)
        resize = f"mask_resize_param {{ output_height: {high} output_width: {wide} }}"
        resized.append(Table(f"to {high} x {wide}", "MaskResize", resize, [small], [top]))
    unit = values(4, 6)
    python = 'python_param { module: "norm2layer" layer: "Norm2Layer" }'
    return [
        Table("by channel", "MaskPooling", "", [x, mask], [x * mask]),
        *resized,
        Table("Norm2Layer", "Python", python, [unit], [unit / np.linalg.norm(unit, axis=1, keepdims=True)]),
    ]


def warped() -> list[Table]:
    found = []
    x = values(2, 2, 7, 9)
    for (high, wide), scale in [((2, 3), 0.5), ((4, 5), 1.0)]:
        top = np.zeros((len(ROIS), 2, high, wide))
        for r, (image, *sides) in enumerate(ROIS):
            left, up, right, down = (rounded(side * scale) for side in sides)
            for c, i, j in itertools.product(range(2), range(high), range(wide)):
                y, z = up + i * max(down - up, 0) / high, left + j * max(right - left, 0) / wide
                top[r, c, i, j] = at(x[int(image), c], y, z, reach=0.5)
        params = f"roi_warping_param {{ pooled_h: {high} pooled_w: {wide} spatial_scale: {scale} }}"
        found.append(Table(f"{high} x {wide}", "ROIWarping", params, [x, ROIS], [top]))
    return found


def stages() -> list[Table]:
    """MNC's, from one stage to the next."""
    python = 'python_param {{ module: "pylayer.{}" layer: "{}" }}'
    mask = values(3, 25)
    said, scores, info = values(len(ROIS), 12, seed=12) / 4, values(len(ROIS), 3, seed=13), np.array([[20.0, 30, 1.5]])
    scores[1] = 0.5  # of equal ones the first
    top = np.array(
        [[0, *moved(d[4 * k : 4 * k + 4], r[1:], side=0)] for d, r, k in zip(said, ROIS, scores.argmax(1), strict=True)]
    )
    top[:, 1:] = np.clip(top[:, 1:], 0, [29, 19, 29, 19])
    bottoms = [ROIS, said, scores, info]
    return [
        Table("MaskLayer", "Python", python.format("mask_layer", "MaskLayer"), [mask], [mask.reshape(3, 1, 5, 5)]),
        Table("StageBridgeLayer", "Python", python.format("stage_bridge_layer", "StageBridgeLayer"), bottoms, [top]),
    ]


def moved(d: Array, box: Array, side: float = 1.0) -> Array:
    """A box moved and resized; `side` is what a side has more than the difference of its ends, where it is made."""
    size = box[2:] - box[:2] + 1
    middle = box[:2] + 0.5 * size if side == 0 else (box[:2] + box[2:]) / 2
    middle, size = d[:2] * size + middle, np.exp(d[2:]) * size
    return np.hstack([middle - (size - side) / 2, middle + (size - side) / 2])


def decode() -> list[Table]:
    said, rois = values(5, 8, seed=6), np.abs(values(5, 5, seed=7)) * 10
    rois[:, 3:] += rois[:, 1:3]
    mean, std = np.array([0, 0.1, 0, -0.2]), np.array([0.1, 0.1, 0.2, 0.2])
    top = np.array([[r[0], *moved(d[4:] * std + mean, r[1:])] for d, r in zip(said, rois, strict=True)])
    words = " ".join(f"bbox_mean: {m} bbox_std: {s}" for m, s in zip(mean, std, strict=True))
    plain = np.array([[r[0], *moved(d[4:], r[1:])] for d, r in zip(said, rois, strict=True)])
    return [
        Table("normalized", "DecodeBBox", f"bbox_reg_param {{ {words} }}", [said, rois], [top]),
        Table("plain", "DecodeBBox", "", [said, rois], [plain]),
    ]


PYTHON = """python_param {{ module: "{module}" layer: "ProposalLayer" param_str: "'feat_stride': 8, {more}" }}"""
LIMITS = "'rpn_pre_nms_top_n': 40, 'rpn_post_nms_top_n': 9, 'rpn_nms_thresh': 0.5, 'rpn_min_size': 6"
CPP = """proposal_param { feat_stride: 8 min_size: 6 ratio: 0.5 ratio: 1 ratio: 2 scale: 1 scale: 3
  pre_nms_topn: 40 post_nms_topn: 9 nms_thresh: 0.5 }"""


def proposals() -> list[Table]:
    high, wide, stride = 4, 5, 8
    anchors = []
    for ratio in (0.5, 1, 2):
        width = rounded(math.sqrt(256 / ratio))
        for scale in (1, 3):
            half = np.array([width * scale - 1, rounded(width * ratio) * scale - 1]) / 2
            anchors.append(np.hstack([7.5 - half, 7.5 + half]))
    number = len(anchors)
    random = np.random.RandomState(2)
    scores, said = random.uniform(0, 1, (1, 2 * number, high, wide)), values(1, 4 * number, high, wide, seed=8) / 4
    info = np.array([[34.0, 38.0, 1.5]])
    boxes = []
    for h, w, a in itertools.product(range(high), range(wide), range(number)):
        d = said[0, 4 * a : 4 * a + 4, h, w]
        box = moved(d, anchors[a] + np.array([w, h, w, h]) * stride, side=0)
        box = np.clip(box, 0, np.array([37, 33, 37, 33]))
        if min(box[2:] - box[:2] + 1) >= 6 * 1.5:
            boxes.append((scores[0, number + a, h, w], box))
    boxes = sorted(boxes, key=lambda pair: -pair[0])[:40]
    kept = apart([box for _, box in boxes], 0.5, pixel=1)[:9]
    rois = np.array([[0, *boxes[k][1]] for k in kept])
    best = np.array([[boxes[k][0]] for k in kept])
    python = PYTHON.format(module="rpn.proposal_layer", more=f"'scales': !!python/tuple [1, 3], {LIMITS}")
    mnc = PYTHON.format(module="pylayer.proposal_layer", more=f"'scales': (1, 3), {LIMITS}")
    bottoms = [scores, said, info]
    return [
        Table("py-faster-rcnn", "Python", python, bottoms, [rois]),
        Table("MNC", "Python", mnc, bottoms, [rois, best]),
        Table("with scores", "Proposal", CPP, bottoms, [rois, best]),
        Table("its limits in the block", "FrcnnProposal", CPP, bottoms, [rois]),
    ]


def box_output() -> list[Table]:
    found = []
    random = np.random.RandomState(9)
    maps = [random.uniform(-1, 1, (2, 3 + 4, *size)) for size in ((4, 5), (2, 3))]
    fields = [(20, 30, 8), (40, 50, 16)]
    for name, thr, kind, before, behind in [
        ("IOU", 0.2, "IOU", 12, 0),
        ("IOU with limits", -0.5, "IOU", 15, 4),
        ("nothing", 9.0, "IOU", 0, 0),
    ]:
        rows = []
        for n in range(2):
            boxes = []
            for x, (high, wide, rate) in zip(maps, fields, strict=True):
                for h, w in itertools.product(*map(range, x.shape[2:])):
                    score, d = x[n, 1:3, h, w].max() - x[n, 0, h, w], x[n, 3:, h, w]
                    size = np.array([wide, high]) * np.exp(np.clip(d[2:], -math.log(2), math.log(2)))
                    place = np.clip(d[:2], -0.5, 0.5) * [wide, high] + (np.array([w, h]) + 0.5) * rate
                    low = np.maximum(place - size / 2, 0)
                    size = np.minimum(size, np.array(x.shape[:1:-1]) * rate - low)
                    if score >= thr and min(size) >= 15:
                        boxes.append((score, np.hstack([low, low + size])))
            boxes.sort(key=lambda pair: -pair[0])
            boxes = boxes[:before] if before else boxes
            kept = apart([box for _, box in boxes], 0.4)
            kept = kept[:behind] if behind else kept
            rows += [[n, *boxes[k][1], boxes[k][0]] for k in kept]
        five = np.array([row[:5] for row in rows] or [[0.0, 1, 1, 10, 10]])[..., None, None]
        six = np.array(rows or [[0] * 6])[..., None, None]
        lists = " ".join(f"field_h: {h} field_w: {w} downsample_rate: {r}" for h, w, r in fields)
        limits = f"max_nms_num: {before} max_post_nms_num: {behind} nms_type: '{kind}'"
        params = f"box_output_param {{ fg_thr: {thr} iou_thr: 0.4 {lists} {limits} }}"
        found.append(Table(name, "BoxOutput", params, maps, [five, six.astype(float)]))
    return found


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def yolo_rows(things: list[tuple[float, int, Array]], most: float, images: int) -> Array:
    things = sorted(things, key=lambda thing: -thing[0])
    kept: list[int] = []
    for i, (_, _, box) in enumerate(things):
        if all(iou(box, things[k][2]) < most for k in kept):
            kept.append(i)
    rows = [[0, things[k][1] + 1, things[k][0], *things[k][2]] for k in kept]
    return np.array(rows or [[i, *[-1] * 6] for i in range(images)], float)[None, None]


def yolo() -> list[Table]:
    found = []
    random = np.random.RandomState(4)
    classes, biases = 3, [1.5, 2, 3, 1, 2, 4]

    def box(d: Array, i: int, j: int, anchor: list[float], side: int, scale: int) -> Array:
        middle = (np.array([i, j]) + sigmoid(d[:2])) / side
        half = np.exp(d[2:4]) * anchor / (side * scale) / 2
        return np.hstack([middle - half, middle + half])

    x = random.uniform(-2, 2, (2, 2 * (5 + classes), 3, 3))
    for name, least in (("of the second version", 0.2), ("nothing", 0.99)):
        things = []
        for n, j, i, b in itertools.product(range(2), range(3), range(3), range(2)):
            d = x[n, b * 8 : b * 8 + 8, j, i]
            chances = np.exp(d[5:]) / np.exp(d[5:]).sum()
            score = sigmoid(d[4]) * chances.max()
            if score >= least:
                things.append((score, int(chances.argmax()), box(d, i, j, biases[2 * b : 2 * b + 2], 3, 1)))
        words = f"num_classes: 3 num_box: 2 confidence_threshold: {least} nms_threshold: 0.3"
        params = f"yolo_detection_output_param {{ {words} {' '.join(f'biases: {v}' for v in biases[:4])} }}"
        found.append(Table(name, "YoloDetectionOutput", params, [x], [yolo_rows(things, 0.3, 2)]))

    maps, masks = [random.uniform(-2, 2, (2, 2 * 8, s, s)) for s in (2, 3)], [1, 2, 0, 1]
    for name, least in (("of the third version", 0.35), ("nothing", 0.999)):
        things = []
        for t, (m, scale) in enumerate(zip(maps, (4, 2), strict=True)):
            side = m.shape[2]
            for n, j, i, b in itertools.product(range(2), range(side), range(side), range(2)):
                d = m[n, b * 8 : b * 8 + 8, j, i]
                k = masks[2 * t + b]
                for c, score in enumerate(sigmoid(d[5:]) * sigmoid(d[4])):
                    if score > least:
                        things.append((score, c, box(d, i, j, biases[2 * k : 2 * k + 2], side, scale)))
        words = f"num_classes: 3 num_box: 2 confidence_threshold: {least} nms_threshold: 0.3 mask_group_num: 2"
        lists = {"biases": biases, "mask": masks, "anchors_scale": [4, 2]}
        said = " ".join(f"{word}: {v}" for word, numbers in lists.items() for v in numbers)
        params = f"yolov3_detection_output_param {{ {words} {said} }}"
        found.append(Table(name, "Yolov3DetectionOutput", params, maps, [yolo_rows(things, 0.3, 2)]))
    return found


def peaks() -> list[Table]:
    x = np.random.RandomState(8).uniform(0, 1, (2, 4, 9, 11))
    parts, most, least = 3, 4, 0.6
    top = np.zeros((2, parts, most + 1, 3))
    for n, c in itertools.product(range(2), range(parts)):
        image, rows = x[n, c], []
        for i, j in itertools.product(range(1, 8), range(1, 10)):
            around = np.delete(image[i - 1 : i + 2, j - 1 : j + 2].ravel(), 4)
            if image[i, j] > least and image[i, j] > around.max():
                box = np.s_[max(i - 3, 0) : i + 4, max(j - 3, 0) : j + 4]
                part, ys, xs = (m[box] for m in (image, *np.mgrid[:9, :11]))
                rows.append([(part * xs).sum() / part.sum(), (part * ys).sum() / part.sum(), image[i, j]])
        rows = rows[:most]
        top[n, c, 0, 0] = len(rows)
        top[n, c, 1 : len(rows) + 1] = np.array(rows).reshape(-1, 3)
    params = f"nms_param {{ threshold: {least} max_peaks: {most} num_parts: {parts} }}"
    return [Table("peaks of maps", "Nms", params, [x], [top])]


TABLES = [
    *psroi(), *roi_align(), *warped(), *masks(), *stages(), *decode(), *proposals(), *box_output(), *yolo(), *peaks(),
]  # fmt: skip
