"""Caffe's messages, as classes built from a compiled descriptor.

No generated code: ``caffe.desc`` is what ``protos/caffe.proto`` compiles to, and protobuf makes the classes from it in
a pool of our own, so that no protobuf release is too old or too new, and another package's ``caffe.proto`` loaded in
the same process is no conflict.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

PACKAGE = "caffe"

_pool = descriptor_pool.DescriptorPool()


def file_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """A copy of the compiled schema."""
    data = Path(__file__).with_name("caffe.desc").read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(data).file[0]


_pool.Add(file_descriptor())


@cache
def message_class(name: str) -> type[Message]:
    """The class of a message by its name, as in ``message_class("PoolingParameter")``. KeyError: there is none."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def field_default(path: str) -> Any:
    """What Caffe takes where a field below LayerParameter is absent: ``field_default("relu_param.negative_slope")``.

    An enum's default is its name, a repeated field's ``()``. None: the schema states no default, so that absence
    itself means something (``pooling_param.stride_h``), or the field is a message. A float is the float32 that Caffe
    computes with. KeyError: there is no such field.
    """
    descriptor: Any = LAYER
    *blocks, last = path.split(".")
    for name in blocks:
        descriptor = descriptor.fields_by_name[name].message_type
    field = descriptor.fields_by_name[last]
    if field.is_repeated:
        return ()
    if not field.has_default_value:
        return None
    if field.enum_type is not None:
        return field.enum_type.values_by_number[field.default_value].name
    return field.default_value


if TYPE_CHECKING:
    # The fields are known at run time only; to a type checker they may be anything.
    class _Anything(Message):
        def __init__(self, **fields: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    class BlobProto(_Anything): ...

    class LayerParameter(_Anything): ...

    class NetParameter(_Anything): ...

    class NetState(_Anything): ...

    class SolverParameter(_Anything):
        SolverType: Any

    class V1LayerParameter(_Anything):
        LayerType: Any
else:
    BlobProto = message_class("BlobProto")
    LayerParameter = message_class("LayerParameter")
    NetParameter = message_class("NetParameter")
    NetState = message_class("NetState")
    SolverParameter = message_class("SolverParameter")
    V1LayerParameter = message_class("V1LayerParameter")

LAYER: Descriptor = _pool.FindMessageTypeByName(f"{PACKAGE}.LayerParameter")

# Layer types without a block that bears their name.
_WITHOUT_BLOCK = frozenset(
    """AbsVal BatchReindex BNLL Deconvolution EuclideanLoss Filter Im2col LSTM LSTMUnit MultinomialLogisticLoss RNN
    SigmoidCrossEntropyLoss Silence SoftmaxWithLoss Split""".split()
)


@cache
def is_own_type(type_: str) -> bool:
    """Is this one of Caffe's own layer types?"""
    return type_ in _WITHOUT_BLOCK or block_of(type_) is not None


def block_of(type_: str) -> str | None:
    """The block that bears a layer type's name, "inner_product_param" for "InnerProduct"; None: there is none."""
    return _blocks().get(f"{type_.lower()}param")


@cache
def _blocks() -> dict[str, str]:
    return {f.name.replace("_", ""): f.name for f in LAYER.fields if f.name.endswith("_param")}
