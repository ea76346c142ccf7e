"""The layer types of BVLC Caffe 1.0 and of its forks: each is registered, and each has cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe2py.layers.base import layer_types
from tests.helpers.absent import absent
from tests.helpers.layer_cases import layer_cases
from tests.helpers.tables.forks.every import FORMULA_CASES
from tests.helpers.tables.regions import TABLES as DETECTION

BVLC = (
    "AbsVal Accuracy ArgMax BatchNorm BatchReindex Bias BNLL Clip Concat ContrastiveLoss Convolution Crop Data "
    "Deconvolution Dropout DummyData ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss "
    "Im2col ImageData InfogainLoss InnerProduct Input LRN LSTM LSTMUnit Log MVN MemoryData MultinomialLogisticLoss "
    "PReLU Parameter Pooling Power Python RNN ReLU Reduction Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Silence "
    "Slice Softmax SoftmaxWithLoss Split Swish TanH Threshold Tile WindowData"
).split()
# Types of the forks that the forks' own code was recorded for, and those that only a formula is known of.
RECORDED = (
    "Axpy BN DepthwiseConvolution DetectionOutput Flip Interp Lstm Normalize Permute PriorBox ROIPooling ReLU6 Reorg "
    "Reverse ShuffleChannel SmoothL1Loss Transpose Upsample"
).split()
FORMULAS = (
    "Accum BatchReduction BoxOutput ChannelNorm Convolution3D ConvolutionDepthwise Correlation CuDNNBatchNorm "
    "DataAugmentation DecodeBBox Downsample FlowWarp FrcnnProposal HardSwish ImResize L1Loss MaskPooling MaskResize "
    "Mean Mish MultiStageMeanfield NdConvolution NdPooling NegReLU Nms PSROIPooling Pooling3D Proposal ROIAlign "
    "ROIWarping Resample SegConsensus Unpooling YoloDetectionOutput Yolov3DetectionOutput"
).split()
# Data layers of the forks, which a net that runs has as inputs.
SOURCES = "AnnotatedData DenseImageData ImageSegData VideoData".split()
# Python layers that published nets name, by their modules and classes.
PYTHON = (
    "caffe.layers.detectnet.clustering.ClusterDetections norm2layer.Norm2Layer pylayer.mask_layer.MaskLayer "
    "pylayer.proposal_layer.ProposalLayer pylayer.stage_bridge_layer.StageBridgeLayer rpn.proposal_layer.ProposalLayer"
).split()

# Types that Caffe has nothing to record for: they read files, or run what the user wrote. Each has a table in its file.
TABLES = dict.fromkeys(
    "Data DummyData HDF5Data HDF5Output ImageData MemoryData WindowData".split(), "test_data_layers.py"
) | {"Python": "test_custom_layers.py"}


def test_the_registry_is_the_list() -> None:
    ours = {name for name, cls in layer_types().items() if cls.__module__.startswith("caffe2py.layers.")}
    python = {name.removeprefix("Python "): layer_types()[name] for name in ours if name.startswith("Python ")}
    assert {name for name, cls in python.items() if not (cls.is_input or cls.trains)} == {*PYTHON}
    ours -= {f"Python {name}" for name in python}
    assert ours == {*BVLC, *RECORDED, *FORMULAS, *SOURCES}
    assert {name for name in ours if layer_types()[name].formula} == {*FORMULAS}
    assert {name for name in ours if not whose(name)} == {*BVLC}


def whose(name: str) -> str:
    """Whose a type is, where Caffe's own is none of its meanings."""
    cls = layer_types()[name]
    forks = [meant.fork for meant in getattr(cls, "meanings", (cls,))]
    return "" if "" in forks else ", ".join(forks)


@pytest.mark.parametrize("type_", sorted({*BVLC, *RECORDED} - TABLES.keys()))
def test_every_type_has_recorded_cases(type_: str) -> None:
    if not (recorded := layer_cases()):
        absent("recorded layers")
    assert any(made == type_ for case in recorded for _, made in case.layers)


def test_every_type_that_nobody_recorded_has_formulas() -> None:
    assert {f.type for f in FORMULA_CASES} | {table.type for table in DETECTION} >= {*FORMULAS}


@pytest.mark.parametrize("type_", sorted(TABLES))
def test_every_other_type_has_a_table(type_: str) -> None:
    assert f'type: "{type_}"' in Path(__file__).with_name(TABLES[type_]).read_text(encoding="utf-8")
