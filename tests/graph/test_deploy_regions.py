"""Training files of detectors with regions: deployed, they are what their test files say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.graph import Graph
from tests.helpers.runtimes import in_onnxruntime

GAUSSIAN = 'weight_filler { type: "gaussian" std: 0.02 }'
TARGETS = "bbox_targets bbox_inside_weights bbox_outside_weights".split()
SIZES = {"data": (1, 3, 64, 80), "im_info": (1, 3)}


def layer(name: str, type_: str, bottoms: str, tops: str, params: str = "") -> str:
    blobs = [f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()]
    return f'layer {{ name: "{name}" type: "{type_}" {" ".join(blobs)} {params} }}'


def conv(name: str, bottom: str, outputs: int, kernel: int = 1) -> str:
    window = f"kernel_size: {kernel} stride: {kernel}"
    return layer(
        name, "Convolution", bottom, name, f"convolution_param {{ num_output: {outputs} {window} {GAUSSIAN} }}"
    )


def fc(name: str, bottom: str, outputs: int) -> str:
    return layer(name, "InnerProduct", bottom, name, f"inner_product_param {{ num_output: {outputs} {GAUSSIAN} }}")


def python(name: str, bottoms: str, tops: str, module: str, class_: str, params: str) -> str:
    said = f'python_param {{ module: "{module}" layer: "{class_}" param_str: "{params}" }}'
    return layer(name, "Python", bottoms, tops, said)


def targets(stem: str) -> str:
    return " ".join(f"{stem}{word}" for word in TARGETS)


def proposing(train: bool) -> list[str]:
    """Until the regions, which a test file calls rois at once."""
    net = [
        conv("conv5", "data", 8, 16),
        conv("rpn_cls_score", "conv5", 18),
        conv("rpn_bbox_pred", "conv5", 36),
        layer("rpn_reshape", "Reshape", "rpn_cls_score", "rpn_2", "reshape_param { shape { dim: [0, 2, -1, 0] } }"),
    ]
    if train:
        makes = f"rpn_labels {targets('rpn_')}"
        params = "'feat_stride': 16"
        net += [
            python("rpn-data", "rpn_cls_score gt_boxes im_info data", makes, *ANCHORS, params),
            layer("rpn_loss_cls", "SoftmaxWithLoss", "rpn_2 rpn_labels", "rpn_loss_cls"),
            layer("rpn_loss_bbox", "SmoothL1Loss", f"rpn_bbox_pred {targets('rpn_')}", "rpn_loss_bbox"),
        ]
    net += [
        layer("rpn_cls_prob", "Softmax", "rpn_2", "rpn_prob_2"),
        layer("rpn_prob", "Reshape", "rpn_prob_2", "rpn_prob", "reshape_param { shape { dim: [0, 18, -1, 0] } }"),
        python("proposal", "rpn_prob rpn_bbox_pred im_info", "rpn_rois" if train else "rois", *PROPOSAL, STRIDE),
    ]
    if train:
        makes = f"rois labels {targets('')}"
        net.append(python("roi-data", "rpn_rois gt_boxes", makes, *PROPOSALS, "'num_classes': 4"))
    return net


ANCHORS = ("rpn.anchor_target_layer", "AnchorTargetLayer")
PROPOSALS = ("rpn.proposal_target_layer", "ProposalTargetLayer")
PROPOSAL = ("rpn.proposal_layer", "ProposalLayer")
STRIDE = "'feat_stride': 16"

GRID = "roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.0625 }"
POOL = [
    layer("pool", "ROIPooling", "conv5 rois", "pool", GRID),
    fc("cls_score", "pool", 4),
    fc("bbox_pred", "pool", 16),
]
LOSSES = [
    layer("loss_cls", "SoftmaxWithLoss", "cls_score labels", "loss_cls"),
    layer("loss_bbox", "SmoothL1Loss", f"bbox_pred {targets('')}", "loss_bbox"),
]


def position_sensitive(name: str, outputs: int) -> list[str]:
    params = f"psroi_pooling_param {{ spatial_scale: 0.0625 output_dim: {outputs} group_size: 3 }}"
    return [
        conv(f"rfcn_{name}", "conv5", outputs * 9),
        layer(f"psroi_{name}", "PSROIPooling", f"rfcn_{name} rois", f"psroi_{name}", params),
        layer(name, "Pooling", f"psroi_{name}", name, "pooling_param { pool: AVE kernel_size: 3 stride: 3 }"),
    ]


VOTES = [*position_sensitive("cls_score", 4), *position_sensitive("bbox_pred", 8)]
# R-FCN learns of the hardest regions alone.
HARDEST = [
    layer("each_cls", "SoftmaxWithLossOHEM", "cls_score labels", "t0 t1 each_cls", "loss_weight: [0, 0, 0]"),
    layer("each_bbox", "SmoothL1LossOHEM", "bbox_pred bbox_targets bbox_inside_weights", "t2 each_bbox"),
    layer("each", "Eltwise", "each_cls each_bbox", "each"),
    layer("annotator", "BoxAnnotatorOHEM", "rois each labels bbox_inside_weights", "labels_ohem weights_ohem"),
    layer("silence", "Silence", "bbox_outside_weights t0 t1 t2", ""),
    layer("loss", "SoftmaxWithLoss", "cls_score labels_ohem", "loss"),
    layer("accuracy", "Accuracy", "cls_score labels_ohem", "accuracy"),
    layer("loss_bbox", "SmoothL1LossOHEM", "bbox_pred bbox_targets weights_ohem", "loss_bbox"),
]
HEADS = {"Faster R-CNN": (POOL, LOSSES), "R-FCN": (VOTES, HARDEST)}
every = pytest.mark.parametrize("head, losses", HEADS.values(), ids=HEADS)


def cascade(train: bool) -> str:
    """MNC: regions, masks of them, and the regions of the next stage."""
    shapes = " ".join(f"shape {{ dim: {list(shape)} }}" for shape in SIZES.values())
    masks = python(
        "masks", "mask gt_masks gt_info" if train else "mask", "masks mask_labels" if train else "masks", *MASKS
    )
    more = "labels_2 targets_2" if train else ""
    given = "gt_boxes gt_masks im_info mask_info" if train else "im_info"
    return "\n".join(
        [
            python("in", "", "data im_info gt_boxes gt_masks mask_info", "pylayer.mnc_data_layer", "MNCDataLayer", "")
            if train
            else layer("in", "Input", "", " ".join(SIZES), f"input_param {{ {shapes} }}"),
            *(part.replace('"rpn.', '"pylayer.') for part in proposing(train)[: 10 if train else 7]),
            *([python("roi-data", "rpn_rois gt_boxes", "rois labels gt_info", *CASCADED, "")] if train else []),
            layer("warp", "ROIWarping", "conv5 rois", "warp", GRID.replace("pooling", "warping")),
            fc("mask", "warp", 9),
            masks,
            fc("score", "warp", 3),
            *([layer("loss", "SoftmaxWithLoss", "score mask_labels", "loss")] if train else []),
            layer("prob", "Softmax", "score", "prob"),
            fc("bbox", "warp", 12),
            layer("resize", "MaskResize", "masks", "small", "mask_resize_param { output_height: 2 output_width: 2 }"),
            layer("masked", "MaskPooling", "warp small", "masked"),
            python("bridge", f"rois bbox prob {given}", f"rois_2 {more}", *BRIDGE, ""),
            *([layer("loss_2", "EuclideanLoss", "masked targets_2", "loss_2")] if train else []),
        ]
    )


MASKS = ("pylayer.mask_layer", "MaskLayer", "")
BRIDGE = ("pylayer.stage_bridge_layer", "StageBridgeLayer")
CASCADED = ("pylayer.proposal_target_layer", "ProposalTargetLayer")


def test_a_cascade(tmp_path: Path) -> None:
    """The layers that have more bottoms and tops in training lose them."""
    train, test = tmp_path / "train.prototxt", tmp_path / "test.prototxt"
    train.write_text(cascade(train=True))
    test.write_text(cascade(train=False))
    graph = caffe2py.load(train, deploy=True, inputs=SIZES, fill=1)
    wanted = caffe2py.load(test, fill=1)
    assert [node.name for node in graph.nodes[2:]] == [node.name for node in wanted.nodes[1:]]
    assert graph.outputs == wanted.outputs == ("masked", "rois_2")
    tops, others = (caffe2py.run(net, fed((64, 80, 1))) for net in (graph, wanted))
    assert len(tops["rois_2"]) > 3
    for blob, top in tops.items():
        np.testing.assert_array_equal(top, others[blob], err_msg=blob)
    assert onnx_tops(graph, tmp_path, (64, 80, 1)) == {blob: tops[blob].shape for blob in graph.outputs}


def files(tmp_path: Path, head: list[str], losses: list[str]) -> tuple[Path, Path]:
    """A training file, and the test file of the same net."""
    data = python("in", "", "data im_info gt_boxes", "roi_data_layer.layer", "RoIDataLayer", "'num_classes': 4")
    shapes = " ".join(f"shape {{ dim: {list(shape)} }}" for shape in SIZES.values())
    ours = layer("in", "Input", "", " ".join(SIZES), f"input_param {{ {shapes} }}")
    train, test = tmp_path / "train.prototxt", tmp_path / "test.prototxt"
    train.write_text("\n".join([data, *proposing(train=True), *head, *losses]))
    test.write_text("\n".join([ours, *proposing(train=False), *head]))
    return train, test


def fed(info: tuple[int, ...]) -> dict[str, np.ndarray]:
    picture = np.random.RandomState(1).uniform(-9, 9, SIZES["data"])
    return {"data": picture.astype(np.float32), "im_info": np.array([info], np.float32)}


@every
def test_deployed(tmp_path: Path, head: list[str], losses: list[str]) -> None:
    train, test = files(tmp_path, head, losses)
    graph = caffe2py.load(train, deploy=True, inputs=SIZES, fill=1)
    wanted = caffe2py.load(test, fill=1)
    learned = [node.name for node in wanted.nodes if node.type != "Input"]
    assert [node.name for node in graph.nodes if node.type != "Input"] == learned
    assert graph.outputs == wanted.outputs == ("bbox_pred", "cls_score")
    gone = next(note for note in graph.notes if note.startswith("left out"))
    assert "rpn-data" in gone and "roi-data" in gone and "loss_bbox" in gone and "proposal" not in gone
    tops, others = (caffe2py.run(net, fed((64, 80, 1))) for net in (graph, wanted))
    assert len(tops["cls_score"]) > 3
    for blob, top in tops.items():
        np.testing.assert_array_equal(top, others[blob], err_msg=blob)
    assert onnx_tops(graph, tmp_path, (64, 80, 1)) == {blob: tops[blob].shape for blob in graph.outputs}


@every
def test_a_picture_without_regions(tmp_path: Path, head: list[str], losses: list[str]) -> None:
    graph = caffe2py.load(files(tmp_path, head, losses)[1], fill=1)
    shapes = {blob: top.shape for blob, top in caffe2py.run(graph, fed((0, 0, 1))).items()}
    assert {shape[0] for shape in shapes.values()} == {0}
    assert onnx_tops(graph, tmp_path, (0, 0, 1)) == shapes


def onnx_tops(graph: Graph, tmp_path: Path, info: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    onnx.save(caffe2py.to_onnx(graph), tmp_path / "net.onnx")
    tops = in_onnxruntime(tmp_path / "net.onnx", graph.outputs)(fed(info))
    return {blob: top.shape for blob, top in tops.items()}


def test_what_makes_targets_does_not_run(tmp_path: Path) -> None:
    graph = caffe2py.load(files(tmp_path, POOL, LOSSES)[0], inputs={**SIZES, "gt_boxes": (1, 5)}, fill=1)
    with pytest.raises(CaffeError, match=r'"rpn-data" \(Python\)'):
        caffe2py.run(graph, {**fed((64, 80, 1)), "gt_boxes": np.zeros((1, 5), np.float32)})
