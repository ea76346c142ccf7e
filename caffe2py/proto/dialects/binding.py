"""The net that a caffemodel holds, in whatever dialect, as the messages and fields that a prototxt would have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from caffe2py.errors import CaffemodelError, Place
from caffe2py.proto.dialects.choice import choose
from caffe2py.proto.dialects.paths import inside, step
from caffe2py.proto.dialects.reading import Leaf
from caffe2py.proto.dialects.rules import COMMON, reads
from caffe2py.proto.dialects.subject import Subject, subjects
from caffe2py.proto.forks import OWN, PLAIN, dialect
from caffe2py.proto.text.prototxt import LayerText, NetText, Unknown
from caffe2py.proto.text.values import Raw, Word
from caffe2py.proto.weights.layers import Weights
from caffe2py.proto.weights.wire import WireError


def bound(weights: Weights, said: str | None = None) -> NetText | None:
    """The net that the file describes, in the format that it has there. None: as Caffe's own schema reads it.

    `said` is the dialect, where somebody knows it. What no schema explains stays, as `Raw` values. Raises
    CaffemodelError where the layers do not parse, or may mean several things, CaffeError for a dialect that there is
    not, UnsupportedError for HDF5, which holds no net.
    """
    if said is not None:
        dialect(said)
    kinds = {blob.kind for layer in weights.layers for blob in layer.blobs}
    if weights.version == "HDF5" or (said in (None, OWN) and kinds <= {PLAIN} and is_plain(weights)):
        return None
    try:
        parts = subjects(weights)
        choice = choose(weights.file, parts, kinds, said)
    except (WireError, DecodeError) as error:
        raise CaffemodelError(f"the layers' parameters do not parse ({error})", weights.file) from None
    top, *layers = (
        _bound(subject, word, leaves, weights.file)
        for subject, word, leaves in zip(parts, choice.words, choice.leaves, strict=True)
    )
    found = NetText(top.message.name, tuple(layers), top.message, choice.notes, weights.file)
    return replace(found, unknown=top.unknown, dialects=choice.names)


def is_plain(weights: Weights) -> bool:
    """Is this a net of Caffe's own that no fork could have meant otherwise? Known without a look at the forks."""
    try:
        net: Any = weights.net()
    except CaffemodelError:
        return False  # what one fork means by a number may not even parse as what Caffe means
    if not net.IsInitialized() or (net.layers and not any(layer.blobs for layer in weights.layers)):
        return False  # the blobs tell C3D's layers of 2014 from Caffe's
    known = type(net)()
    known.CopyFrom(net)
    known.DiscardUnknownFields()
    same: bool = net.ByteSize() == known.ByteSize()
    return same and all(map(_is_plain_layer, (*net.layer, *net.layers)))


def _is_plain_layer(layer: Any) -> bool:
    for field, _ in layer.ListFields():
        name, number = field.name, field.number
        if name == "pooling_param":
            if not _is_plain_pooling(layer.pooling_param):
                return False
        elif name == "convolution_param":
            if any(layer.convolution_param.HasField(f) for f in ("axis", "force_nd_im2col")):
                return False
        elif COMMON < number < 1000 and field.message_type is not None and not reads(layer.type, name):
            return False
    return True


def _is_plain_pooling(pooling: Any) -> bool:
    """In V-Net's numbers the window would be padding, and the stride the window: none if the window is the larger."""
    if pooling.HasField("round_mode"):
        return False
    if pooling.global_pooling:
        return True
    sizes = (pooling.kernel_size, pooling.kernel_h, pooling.kernel_w)
    strides = (pooling.stride if pooling.HasField("stride") else 1, pooling.stride_h, pooling.stride_w)
    return any(sizes) and all(size >= stride for size, stride in zip(sizes, strides, strict=True) if size)


def _bound(subject: Subject, word: str, leaves: Sequence[Leaf], file: str) -> LayerText:
    """A layer's values: in Caffe's own message where it has such a field, else as a prototxt's unknown ones."""
    message, place = subject.base, Place(file)
    given = [Leaf("type", Word(word))] if subject.number is not None else []
    unknown = [
        Unknown(leaf.path, leaf.value, place)
        for leaf in (*given, *leaves)
        if not _assign(message, leaf.path, leaf.value)
    ]
    return LayerText(message, place, tuple(unknown))


def _assign(message: Any, path: str, value: object) -> bool:
    """Set a field of Caffe's own; False where it has none that takes the value. Its blocks are there all the same."""
    *blocks, last = path.split(".")
    for block in blocks:
        name, index = step(block)
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None or field.message_type is None:
            return False
        message = inside(message, name, index)
    name, index = step(last)
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if isinstance(value, Raw) or field is None or not _takes(field, value):
        return False
    if field.message_type is not None:
        inside(message, name, index).SetInParent()
        return True
    if field.enum_type is not None:
        value = field.enum_type.values_by_name[value].number
    if field.is_repeated:
        getattr(message, name).append(value)
        return True
    if message.HasField(name):
        return False
    setattr(message, name, value)
    return True


_KINDS: dict[int, tuple[type, ...]] = {
    FieldDescriptor.CPPTYPE_BOOL: (bool,),
    FieldDescriptor.CPPTYPE_FLOAT: (float,),
    FieldDescriptor.CPPTYPE_DOUBLE: (float,),
    FieldDescriptor.CPPTYPE_STRING: (str, bytes),
    FieldDescriptor.CPPTYPE_MESSAGE: (type(None),),
}


def _takes(field: FieldDescriptor, value: object) -> bool:
    enum: Any = field.enum_type
    if enum is not None:
        return isinstance(value, Word) and value in enum.values_by_name
    kinds = _KINDS.get(field.cpp_type, (int,))
    return isinstance(value, kinds) and not isinstance(value, Word) and (bool in kinds or not isinstance(value, bool))
