"""Recorded cases in which Caffe and caffe2py do not do the same, each with its reason. No other case may differ."""

# Caffe runs them, and no number can be held against its own.
NUMBERS = {
    "backward-r10122": "a Clip of NaN: it stays NaN, of which Caffe's std::max makes the lower limit; torch has no "
    "call that does so, and a second pass over the blob is not worth it",
    "forward-r191": "an ArgMax over NaN: it counts as the largest; to Caffe's std::partial_sort it is equal to every "
    "number, so that the steps of a heap decide, which only a loop over each row could follow",
    "runs-phase_dropout_train": "a Dropout in phase TRAIN draws at random",
    "backward-r10240": "its gradient is 0, and in Caffe the rounding of it times 1e20",
}

# Caffe, loading the file that it wrote, gives what two layers of one name have learned to the first of them alone.
LOADED = dict.fromkeys(("runs-dup_conv_names", "runs-dup_scale_inplace", "runs-dup_scale_names"), "layers of one name")

_HEEDED = "Caffe's own schema lacks the field; it is read as the forks mean it that have it"
_TWO_TOPS = "Caffe hands the layer's loss weights on to a softmax inside it, which has one top, and stops at that"

# Caffe refuses them, and caffe2py builds their net; or computes with it too.
COMPUTED = {
    "faults/ceil_mode_floor": _HEEDED,
    "faults/dup_name_bn_scale": "Caffe builds it; in pycaffe one of two layers of a name hides the other's blobs",
    "faults/hole": _HEEDED,
    "faults/loss_all": _TWO_TOPS,
    "faults/scale_bias": _HEEDED,
}
