"""Names as text: of nets, layers and blobs, and of the layer types of 2014 as they are called today.

Caffe never asked for UTF-8, so old files hold other bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any


def decode_name(raw: bytes) -> str:
    r"""The name as text: UTF-8, and each byte that is not as ``\xNN``, so that it can be printed and looked up."""
    return raw.decode("utf-8", "backslashreplace")


def decode_names(message: Any) -> None:
    """Make text of the names in a message that are no UTF-8, which protobuf gives as bytes."""
    for field, value in message.ListFields():
        if field.cpp_type == field.CPPTYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                decode_names(inner)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            for i, each in enumerate(value):
                if isinstance(each, bytes):
                    value[i] = decode_name(each)
        elif field.type == field.TYPE_STRING and isinstance(value, bytes):
            setattr(message, field.name, decode_name(value))


def unique(names: Iterable[str]) -> list[str]:
    """A key for each of several names, in order: the name itself, and for a later one of that name `name#2`, ..."""
    names = list(names)
    taken, turns = set(names), Counter[str]()
    keys = []
    for name in names:
        turns[name] += 1
        key = name
        while turns[name] > 1 and key in taken:
            key = f"{name}#{turns[name]}" if key == name else f"{key}'"
        taken.add(key)
        keys.append(key)
    return keys


# V1 types, the forks' among them, whose name today is not their words in capitals: INNER_PRODUCT is InnerProduct, but
V1_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BN": "BN",
    "BNLL": "BNLL",
    "CONVOLUTION3D": "Convolution3D",
    "DECONVOLUTION3D": "Deconvolution3D",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MULTI_STAGE_MEANFIELD": "MultiStageMeanfield",  # its number was never published
    "MVN": "MVN",
    "POOLING3D": "Pooling3D",
    "PRELU": "PReLU",
    "RELU": "ReLU",
    "RELU6": "ReLU6",
    "ROIPOOLING": "ROIPooling",
    "ROI_POOLING": "ROIPooling",
    "SMOOTH_L1": "SmoothL1Loss",
    "SMOOTH_L1_LOSS": "SmoothL1Loss",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}


def v1_type_name(word: str) -> str:
    """Today's name of a V1 layer type: ``v1_type_name("SOFTMAX_LOSS")`` is ``"SoftmaxWithLoss"``."""
    return V1_TYPES.get(word, "".join(part.capitalize() for part in word.split("_")))


def v1_word(name: str) -> str:
    """The word of 2014 for a layer type: ``v1_word("SoftmaxWithLoss")`` is ``"SOFTMAX_LOSS"``."""
    known = next((word for word, today in V1_TYPES.items() if today == name), None)
    return known or re.sub("(?<=.)(?=[A-Z])", "_", name).upper()
