"""What each layer type reads, and what can be: the knowledge that tells one fork's numbers from another's.

A field's number means what the layer's type has a use for: 137 in an Upsample is no embed_param. Values must be ones
that Caffe would run with, blobs as many as the fork's layer has, of the kind that the fork writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cache
from itertools import pairwise

from google.protobuf.descriptor import FieldDescriptor

from caffe2py.proto.forks import C3D, PACKED, PLAIN, RAW, dialect, dialects
from caffe2py.proto.schema import is_own_type

# Up to this number the forks all agree on what Caffe's fields of a layer are. C3D v1.0 alone does not, and its blobs
# tell. In the format of 2014 all of Caffe's are of one meaning.
COMMON = 131

SHARED = {"loss_param", "transform_param"}  # read by many types

# Blocks that types read beside the one that bears their name (`prior_box_param`, PriorBox).
READS: Mapping[str, tuple[str, ...]] = {
    "AnnotatedData": ("data_param",),
    "BoxOutput": ("bbox_reg_param",),
    "ConvolutionDepthwise": ("convolution_param",),
    "Correlation1D": ("correlation_param",),
    "CuDNNBatchNorm": ("batch_norm_param", "cudnn_batch_norm_param"),
    "DataAugmentation": ("augmentation_param", "coeff_schedule_param"),
    "DecodeBBox": ("bbox_reg_param",),
    "DepthwiseConvolution": ("convolution_param",),
    "DetectionLoss": ("bbox_reg_param",),
    "DownSampling": ("down_sampling_param",),
    "FlowAugmentation": ("augmentation_param", "coeff_schedule_param"),
    "GenerateAugmentationParameters": ("augmentation_param", "coeff_schedule_param"),
    "LSTM": ("recurrent_param",),
    "Normalize": ("norm_param", "normalize_param"),
    "RNN": ("recurrent_param",),
    "ROIAlign": ("roi_pooling_param",),
    "ReLU6": ("relu_param",),
    "SegConsensus": ("batch_reduction_param",),
    "SmoothL1LossOHEM": ("smooth_l1_loss_param",),
    "SpatialTransformer": ("st_param",),
    "RandomSamplingSoftmaxLoss": ("rss_loss_param",),
    "VideoData": ("image_data_param",),
}

# Types that do nothing without their block.
NEEDS: Mapping[str, str] = {
    "Convolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Pooling": "pooling_param",
    "Reshape": "reshape_param",
}

# How many blobs types have that bear one name and are several things: by their number, the forks whose they are.
BLOBS: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "BN": {2: ("segnet", "segnet_cudnn5", "deconvnet"), 4: ("yjxiong", "pspnet")},
    "BatchNorm": {3: (), 5: ("nvcaffe014", "nvcaffe", "nvcaffe017")},
}

# Forks whose convolutions are flat, from before Caffe's went over any number of axes.
FLAT = ("yjxiong", "parsenet")

# The kinds of blobs that a fork may write; all others write plain ones alone.
BLOB_KINDS: Mapping[str, tuple[str, ...]] = {
    "c3d": (C3D,),
    "nvcaffe": (PLAIN, RAW),
    "nvcaffe017": (PLAIN, RAW),
    "opencl": (PLAIN, PACKED),
    "opencv": (RAW,),
}

# Fields, and blocks with all that is in them, that change no output of a net that runs: what only training reads, which
# code computes a layer and in which precision, what a layer shows or writes to files. That two forks differ there stops
# nobody, and that nobody reads one is no error.
TRAINING = (
    "accuracy_param blobs_lr bp_norm coeff_schedule_param conf_loss_type decay_mult "
    "detection_evaluate_param fix_gradient fix_scale global_grad_scale input_param loss_param loss_weight lr_mult "
    "momentum multibox_loss_param need_backward param propagate_down share_mode smooth_l1_loss_param transform_param "
    "update_global_stats weight_decay"
).split()
ENGINE = (
    "backward_math backward_type cudnn_convolution_algo_seeker cudnn_math_override debug device_id engine "
    "forward_math forward_type inplace_possible multinode profile_info profile_iter profile_warmup "
    "reshape_every_iter"
).split()
# Those of augmentation_param, whose words mean other things elsewhere.
AUGMENTATION = (
    "bottomheight bottomwidth brightness chromatic_eigvec col_add col_mult col_pow col_rotate color contrast "
    "fog_amount fog_size gamma ladd_add ladd_mult ladd_pow lmult_add lmult_mult lmult_pow max_multiplier mirror mode "
    "motion_blur_angle motion_blur_size noise num rotate sat_add sat_mult sat_pow shadow_angle shadow_distance "
    "shadow_strength squeeze translate translate_x translate_y write_augmented write_mean zoom"
).split()
DISPLAY = "label_map_file save_file save_output_param show_data visualize visualize_threshold".split()
UNHEEDED = frozenset((*TRAINING, *ENGINE, *DISPLAY, *(f"augmentation_param.{word}" for word in AUGMENTATION)))


def reads(type_: str, block: str) -> bool:
    """Has a layer type a use for a block of that name?"""
    name = block.removesuffix("_param")
    return name.replace("_", "") == type_.lower() or block in READS.get(type_, ()) or block in SHARED


def expected(type_: str, field: FieldDescriptor, common: Set[int]) -> bool:
    """Does this type of layer have such a field? `common` are the numbers that all types may have.

    A value that stands in the layer itself, and not in a block, may be in any.
    """
    return field.number in common or field.message_type is None or reads(type_, field.name)


def is_unheeded(path: str) -> bool:
    """Is a field of no use to a net that runs?"""
    steps = [step.partition("[")[0] for step in path.split(".")]
    named = {*steps, *map(".".join, pairwise(steps))}
    return not UNHEEDED.isdisjoint(named) or any(step.endswith(("data_param", "filler")) for step in steps)


@cache
def knows(dialect_name: str, type_: str) -> bool:
    """Has the fork such a layer type? Types that no fork has are anybody's."""
    return type_ in dialect(dialect_name).types or is_own_type(type_) or type_ not in _all_types()


@cache
def _all_types() -> frozenset[str]:
    return frozenset().union(*(d.types for d in dialects()))


def writes(dialect_name: str, kinds: Set[str]) -> bool:
    """May a file with blobs of these kinds be in this dialect? One without blobs may be C3D's as well as anybody's."""
    mine = BLOB_KINDS.get(dialect_name, (PLAIN,))
    return (kinds - {PLAIN} or {PLAIN}) <= set(mine) or (not kinds and C3D in mine)


def has_blobs(dialect_name: str, type_: str, count: int) -> bool:
    """May a layer of this type have so many blobs in this dialect? A net without weights has none at all."""
    counts = BLOBS.get(type_)
    if counts is None or not count:
        return True
    return count in counts and (not counts[count] or dialect_name in counts[count])


Values = Mapping[str, Sequence[object]]  # the values of a layer by their paths


def oddities(values: Values) -> int:
    """How many settings are there that Caffe would not run with."""
    return _odd_window("pooling_param", values) + _odd_window("convolution_param", values)


def _odd_window(block: str, values: Values) -> int:
    """A window wants a size, and a stride; pairs come in pairs; a pooling's padding is smaller than its window."""
    found = {path.removeprefix(f"{block}."): value for path, value in values.items() if path.startswith(f"{block}.")}
    if not found:
        return 0
    size, pad, stride = (_sizes(found, *names) for names in WINDOW)
    odd = sum((f"{name}_h" in found) != (f"{name}_w" in found) for name in ("kernel", "pad", "stride", "dilation"))
    odd += sum((f"{name}_h" in found) != (f"{name}_w" in found) for name in ("filter_stride", "hole"))
    free = found.get("global_pooling") == [True] or "kernel_shape" in {name.partition(".")[0] for name in found}
    odd += not size and not free
    odd += 0 in size or 0 in stride
    if block == "pooling_param" and size and pad:
        odd += any(p >= s for p, s in zip(_like(pad, size), size, strict=False))
    return odd


WINDOW = (("kernel_size", "kernel_h", "kernel_w"), ("pad", "pad_h", "pad_w"), ("stride", "stride_h", "stride_w"))


def _sizes(found: Values, name: str, height: str, width: str) -> list[int]:
    values = [*found.get(name, ()), *found.get(height, ()), *found.get(width, ())]
    return [v for v in values if isinstance(v, int)]


def _like(values: list[int], other: list[int]) -> list[int]:
    return values * len(other) if len(values) == 1 else values
