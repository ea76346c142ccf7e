"""A net of today in the words of 2014 or 2015: what the steps of the upgrade make today's again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from caffe2py.errors import NetError
from caffe2py.proto.names import v1_word
from caffe2py.proto.schema import NetParameter, V1LayerParameter
from caffe2py.proto.text.prototxt import DIMS, TODAY, LayerText, NetText, Unknown
from caffe2py.proto.text.values import Word

V1_TYPES = frozenset(V1LayerParameter.LayerType.keys())


def in_format(net: NetText) -> NetText:
    """The net as it is to be written: its message and layers in `net.format`. NetError: that cannot say it."""
    layers = net.layers
    message = NetParameter()
    message.CopyFrom(net.message)
    if net.format.inputs != TODAY.inputs:
        layers = tuple(layer for layer in layers if layer.message.type != "Input")
        for layer in (layer for layer in net.layers if layer.message.type == "Input"):
            _add_inputs(message, layer, net.format.inputs)
    if net.format.v1:
        layers = tuple(_v1_layer(layer) for layer in layers)
    return replace(net, message=message, layers=layers)


def _add_inputs(message: Any, layer: LayerText, field: str) -> None:
    """before: layer { type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
    after:  input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
    """
    shapes = list(layer.message.input_param.shape)
    for i, name in enumerate(layer.message.top):
        dims = shapes[i if len(shapes) > 1 else 0].dim
        message.input.append(name)
        if field != DIMS:
            message.input_shape.add(dim=dims)
        elif len(dims) == 4:
            message.input_dim.extend(dims)
        else:
            raise NetError(f'input "{name}" has {len(dims)} axes; want four, as {DIMS} has', layer.place)


def _v1_layer(layer: LayerText) -> LayerText:
    """before: layer { name: "ip" type: "InnerProduct" param { lr_mult: 1 decay_mult: 0 } ... }
    after:  layers { name: "ip" type: INNER_PRODUCT blobs_lr: 1 weight_decay: 0 ... }
    """
    old = layer.message
    new = V1LayerParameter()
    for field, value in old.ListFields():
        if field.name not in ("type", "param"):
            theirs = V1LayerParameter.DESCRIPTOR.fields_by_name.get(field.name)
            if theirs is None:
                raise NetError(f'layer "{old.name}" has {field.name}, which the format of 2014 had not', layer.place)
            if field.is_repeated:
                getattr(new, field.name).MergeFrom(value)
            elif field.message_type is not None:
                getattr(new, field.name).CopyFrom(value)
            else:
                setattr(new, field.name, value)
    _set_params(new, old.param)
    unknown = layer.unknown
    word = v1_word(old.type)
    if word in V1_TYPES:
        new.type = V1LayerParameter.LayerType.Value(word)
    else:  # a fork's own
        unknown = (Unknown("type", Word(word), layer.place), *unknown)
    return replace(layer, message=new, unknown=unknown, places={})


def _set_params(new: Any, params: Sequence[Any]) -> None:
    """What `param` says of each blob as lists, each with one entry for every blob or none."""
    if any(p.HasField("name") for p in params):
        new.param.extend(p.name for p in params)
    if any(p.HasField("lr_mult") for p in params):
        new.blobs_lr.extend(p.lr_mult for p in params)
    if any(p.HasField("decay_mult") for p in params):
        new.weight_decay.extend(p.decay_mult for p in params)
    if any(p.HasField("share_mode") for p in params):
        new.blob_share_mode.extend(p.share_mode for p in params)
