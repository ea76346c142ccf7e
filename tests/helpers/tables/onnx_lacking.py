"""Which of the small ONNX models a Caffe that must read the net cannot say, while the last one can."""

from __future__ import annotations

LARGEST = {"arg max", "arg max of equal values", "top k"}

LACKING: dict[str, set[str]] = {
    "bvlc-2016": set(),
    "segnet": {*LARGEST, "instance norm", "embedding", "rows of a blob"},
    "bvlc-2015": {
        *LARGEST,
        *("instance norm", "Log", "pad, a value", "a norm of nothing", "max over channels", "l2"),
        *(
            "the places of a pooling, not to the edge",
            "a number that is known",
            "gather one",
            "reshape",
            "flatten at 2",
            "squeeze",
            "channel shuffle",
        ),
        *("transpose", "transpose of axes of 1"),
    },
}
LACKING |= dict.fromkeys(("bvlc-2014", "deconvnet"), LACKING["bvlc-2015"])
