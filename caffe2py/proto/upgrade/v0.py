"""Layers of 2013 (V0) as layers of 2014 (V1): ``layers { layer { type: "conv" ... } bottom: ... }``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from caffe2py.errors import NetError, Place
from caffe2py.proto.schema import V1LayerParameter
from caffe2py.proto.text.prototxt import LayerText, moved
from caffe2py.proto.text.values import close_names

# Types by their V1 words.
TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

# The block in which a type's settings stand now.
BLOCKS = {
    "conv": "convolution_param",
    "innerproduct": "inner_product_param",
    "pool": "pooling_param",
    "dropout": "dropout_param",
    "lrn": "lrn_param",
    "concat": "concat_param",
    "data": "data_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "window_data": "window_data_param",
    "infogain_loss": "infogain_loss_param",
}

# A V0 field: what it is called today, and the types that have it.
FIELDS = {
    "num_output": ("num_output", ("conv", "innerproduct")),
    "biasterm": ("bias_term", ("conv", "innerproduct")),
    "weight_filler": ("weight_filler", ("conv", "innerproduct")),
    "bias_filler": ("bias_filler", ("conv", "innerproduct")),
    "pad": ("pad", ("conv", "pool")),
    "kernelsize": ("kernel_size", ("conv", "pool")),
    "group": ("group", ("conv",)),
    "stride": ("stride", ("conv", "pool")),
    "pool": ("pool", ("pool",)),
    "dropout_ratio": ("dropout_ratio", ("dropout",)),
    "local_size": ("local_size", ("lrn",)),
    "alpha": ("alpha", ("lrn",)),
    "beta": ("beta", ("lrn",)),
    "k": ("k", ("lrn",)),
    "source": ("source", ("data", "hdf5_data", "images", "window_data", "infogain_loss")),
    "batchsize": ("batch_size", ("data", "hdf5_data", "images", "window_data")),
    "rand_skip": ("rand_skip", ("data", "images")),
    "shuffle_images": ("shuffle", ("images",)),
    "new_height": ("new_height", ("images",)),
    "new_width": ("new_width", ("images",)),
    "concat_dim": ("concat_dim", ("concat",)),
    "det_fg_threshold": ("fg_threshold", ("window_data",)),
    "det_bg_threshold": ("bg_threshold", ("window_data",)),
    "det_fg_fraction": ("fg_fraction", ("window_data",)),
    "det_context_pad": ("context_pad", ("window_data",)),
    "det_crop_mode": ("crop_mode", ("window_data",)),
}

# These go into transform_param, whatever the type.
TRANSFORMS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}


_TYPE_NUMBERS = V1LayerParameter.DESCRIPTOR.enum_types_by_name["LayerType"].values_by_name


def fold_padding(layers: Sequence[LayerText]) -> list[LayerText]:
    """Padding layers become the `pad` of the convolution or pooling that reads them.

    before: data -> padding "pad1" (pad 2) -> pad1 -> conv "conv1" -> conv1
    after:  data -> conv "conv1" (pad 2) -> conv1

    Raises NetError where any other layer reads what a padding layer makes, or one that has several bottoms.
    """
    makers: dict[str, LayerText] = {}
    kept = []
    for layer in layers:
        message = layer.message
        if message.layer.type != "padding":
            for i, bottom in enumerate(message.bottom):
                padding = makers.get(bottom)
                if padding is not None and padding.message.layer.type == "padding":
                    layer = replace(layer, message=_padded(layer, padding, i))
            kept.append(layer)
        makers.update(dict.fromkeys(message.top, layer))
    return kept


def _padded(layer: LayerText, padding: LayerText, bottom: int) -> Any:
    made = type(layer.message)()
    made.CopyFrom(layer.message)
    source = padding.message
    if made.layer.type not in ("conv", "pool") or len(made.bottom) != 1:
        raise NetError(
            f'layer "{made.layer.name}" ({made.layer.type}) reads the padding layer "{source.layer.name}"; '
            "want a conv or pool layer with that one bottom",
            layer.place,
        )
    if len(source.bottom) != 1 or len(source.top) != 1:
        raise NetError(f'padding layer "{source.layer.name}" wants one bottom and one top', padding.place)
    made.layer.pad = source.layer.pad
    made.bottom[bottom] = source.bottom[0]
    return made


def upgrade_v0_layer(layer: LayerText) -> tuple[LayerText, list[str]]:
    """One V0 layer as a V1 layer, and notes on settings that its type has no place for.

    before: layers { layer { name: "conv1" type: "conv" num_output: 8 kernelsize: 3 blobs_lr: 1 } bottom: "data" }
    after:  layers { name: "conv1" type: CONVOLUTION convolution_param { num_output: 8 kernel_size: 3 } ... }

    Raises NetError for a type that V0 did not have.
    """
    old = layer.message.layer
    new = V1LayerParameter(bottom=layer.message.bottom, top=layer.message.top)
    if not layer.message.HasField("layer"):
        return replace(layer, message=new), []
    moves = {}
    notes = []
    for field, value in old.ListFields():
        path = _path_today(field.name, old.type)
        if field.name == "type":
            new.type = _type_number(old.type, layer.place)
        elif path is None:
            notes.append(f'layer "{old.name}" ({old.type}) of the 2013 format has no {field.name}: ignored')
        else:
            _set(new, path, value)
            moves[f"layer.{field.name}"] = path
    unknown = tuple(replace(u, path=u.path.removeprefix("layer.")) for u in layer.unknown)
    return LayerText(new, layer.place, unknown, moved(layer.places, moves)), notes


def _path_today(field: str, kind: str) -> str | None:
    """Where a V0 field of a type stands in a V1 layer, None if it has no place there."""
    if field in ("name", "blobs", "blobs_lr", "weight_decay"):
        return field
    if field in TRANSFORMS:
        return f"transform_param.{TRANSFORMS[field]}"
    if field == "hdf5_output_param":
        return field if kind == "hdf5_output" else None
    name, kinds = FIELDS.get(field, ("", ()))
    return f"{BLOCKS[kind]}.{name}" if kind in kinds else None


def _type_number(kind: str, place: Place) -> int:
    if kind not in TYPES:
        close = close_names(kind, list(TYPES))
        hint = f"did you mean {close[0]}?" if close else f"want one of {', '.join(TYPES)}"
        raise NetError(f'the 2013 format has no layer type "{kind}"; {hint}', place)
    number: int = _TYPE_NUMBERS[TYPES[kind]].number
    return number


def _set(message: Any, path: str, value: Any) -> None:
    """Set a field below a message, whether it is one value, a list (which then holds one), or a block."""
    *blocks, last = path.split(".")
    for block in blocks:
        message = getattr(message, block)
    field = message.DESCRIPTOR.fields_by_name[last]
    if field.is_repeated:
        values = value if hasattr(value, "MergeFrom") else [value]
        getattr(message, last).extend(values)
    elif field.message_type is not None:
        getattr(message, last).CopyFrom(value)
    else:
        setattr(message, last, value)
