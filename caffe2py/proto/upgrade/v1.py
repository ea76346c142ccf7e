"""Nets of 2013 (V0) and 2014 (V1) as nets of today, step by step as Caffe does it (upgrade_proto.cpp).

Each step is a plain function on layers; text and binary nets take the same way. A layer keeps its place, and the places
of its fields move with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from caffe2py.errors import CaffeError, NetError, Place
from caffe2py.proto.names import v1_type_name
from caffe2py.proto.schema import LayerParameter, SolverParameter, V1LayerParameter
from caffe2py.proto.text.prototxt import LayerText, NetText, moved
from caffe2py.proto.upgrade.v0 import fold_padding, upgrade_v0_layer

V1_TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")
V1_DATA_BLOCKS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}

# A V1 list with one entry for each blob: the field of `param` that it fills.
V1_PARAMS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}

SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def upgrade_net(net: NetText, places: Mapping[str, Place] | None = None) -> NetText:
    """All the steps, in Caffe's order. Layers may come in any format; those of the net returned have today's.

    `places` are those of the net's own fields.
    """
    notes = list(net.notes)
    layers = list(net.layers)
    if layers and layers[0].message.DESCRIPTOR is V1LayerParameter.DESCRIPTOR:
        layers = _upgrade_old(layers, notes)
    fixed = [freeze_batch_norm(layer) for layer in layers]
    if frozen := sum(a is not b for a, b in zip(layers, fixed, strict=True)):
        notes.append(f"{_count(frozen, 'BatchNorm layer')} with three param: lr_mult and decay_mult set to 0")
    message, inputs = upgrade_inputs(net.message, net.file, places or {})
    if inputs:
        notes.append(f"made an Input layer of {_count(len(net.message.input), 'input field')}")
    return replace(net, message=message, layers=(*inputs, *fixed), notes=tuple(notes))


def _upgrade_old(layers: list[LayerText], notes: list[str]) -> list[LayerText]:
    """Layers of V0 or V1 as layers of today; adds to `notes`."""
    old = "V1 format (2014)"
    if any(layer.message.HasField("layer") for layer in layers):
        old = "V0 format (2013)"
        before = len(layers)
        layers = fold_padding(layers)
        if before > len(layers):
            notes.append(f"folded {_count(before - len(layers), 'padding layer')} into the pad of the layer behind")
        upgraded = [upgrade_v0_layer(layer) for layer in layers]
        layers = [layer for layer, _ in upgraded]
        notes += [note for _, found in upgraded for note in found]
    notes.append(f"upgraded {_count(len(layers), 'layer')} from the {old} to today's")
    return [upgrade_v1_layer(move_transforms(layer)) for layer in layers]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def move_transforms(layer: LayerText) -> LayerText:
    """What early data layers said about pictures goes to transform_param. V1 only, as in Caffe.

    before: layers { type: DATA data_param { source: "db" scale: 0.5 mirror: true } }
    after:  layers { type: DATA data_param { source: "db" } transform_param { scale: 0.5 mirror: true } }
    """
    block = V1_DATA_BLOCKS.get(_v1_type(layer.message))
    if block is None or not layer.message.HasField(block):
        return layer
    moves = [name for name in V1_TRANSFORMS if getattr(layer.message, block).HasField(name)]
    if not moves:
        return layer
    new = _copy(layer.message)
    for name in moves:
        setattr(new.transform_param, name, getattr(getattr(new, block), name))
        getattr(new, block).ClearField(name)
    places = moved(layer.places, {f"{block}.{name}": f"transform_param.{name}" for name in moves})
    return replace(layer, message=new, places=places)


def upgrade_v1_layer(layer: LayerText) -> LayerText:
    """One V1 layer as a layer of today.

    before: layers { name: "ip" type: INNER_PRODUCT blobs_lr: 1 blobs_lr: 2 weight_decay: 1 ... }
    after:  layer { name: "ip" type: "InnerProduct" param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 } ... }
    """
    old = layer.message
    new = LayerParameter()
    moves = {}
    for word in (u.value for u in layer.unknown if u.path == "type"):
        new.type = v1_type_name(str(word))
    for field, value in old.ListFields():
        name = field.name
        if name == "type":
            new.type = v1_type_name(_v1_type(old))
        elif name in V1_PARAMS:
            while len(new.param) < len(value):
                new.param.add()
            for i, (param, each) in enumerate(zip(new.param, value, strict=False)):
                setattr(param, V1_PARAMS[name], each)
                n = f"[{i}]" if i else ""
                moves[f"{name}{n}"] = f"param{n}.{V1_PARAMS[name]}"
        elif field.is_repeated:
            getattr(new, name).MergeFrom(value)
        elif field.message_type is None:
            setattr(new, name, value)
        elif name != "layer":
            getattr(new, name).CopyFrom(value)
    unknown = tuple(u for u in layer.unknown if u.path != "type")
    return replace(layer, message=new, unknown=unknown, places=moved(layer.places, moves))


def _v1_type(message: Any) -> str:
    """The word for a V1 layer's type."""
    word: str = type(message).LayerType.Name(message.type)
    return word


def freeze_batch_norm(layer: LayerText) -> LayerText:
    """BatchNorm's three blobs are statistics that no solver may touch; files of 2015 said so themselves, or forgot.

    before: layer { type: "BatchNorm" param { lr_mult: 1 } param { } param { } }
    after:  layer { type: "BatchNorm" param { lr_mult: 0 decay_mult: 0 } ... three times }
    """
    if layer.message.type != "BatchNorm" or len(layer.message.param) != 3:
        return layer
    new = _copy(layer.message)
    for param in new.param:
        param.lr_mult = 0
        param.decay_mult = 0
    return layer if new == layer.message else replace(layer, message=new)


def upgrade_inputs(message: Any, file: str, places: Mapping[str, Place]) -> tuple[Any, list[LayerText]]:
    """The net without its legacy inputs, and the one Input layer that stands for them and goes first; [] if none.

    before: input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
    after:  layer { name: "input" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }

    Inputs without any sizes, as caffemodels of that time have them, are dropped, and sizes without an input.
    NetError: fewer sizes than inputs.
    """
    new = _copy(message)
    for name in ("input", "input_shape", "input_dim"):
        new.ClearField(name)
    names, shapes, dims = list(message.input), list(message.input_shape), list(message.input_dim)
    if not names or not (shapes or dims):
        return new, []
    place = places.get("input", Place(file))
    if shapes and len(shapes) < len(names):
        raise NetError(f"{_count(len(names), 'input')}, {len(shapes)} input_shape; want one for each", place)
    if not shapes and len(dims) < 4 * len(names):
        raise NetError(f"{_count(len(names), 'input')}, {len(dims)} input_dim; want four for each", place)
    layer = LayerParameter(name="input", type="Input", top=names)
    for i in range(len(names)):
        layer.input_param.shape.add(dim=shapes[i].dim if shapes else dims[4 * i : 4 * i + 4])
    top_places = {f"top{path.removeprefix('input')}": places[path] for path in places if path.split("[")[0] == "input"}
    return new, [LayerText(layer, place, (), top_places)]


def upgrade_solver(solver: Any, file: str = "") -> Any:
    """A solver with today's `type` for the old enum `solver_type`, and a snapshot_prefix if it has none.

    before: solver_type: ADAGRAD                    in lenet_solver.prototxt
    after:  type: "AdaGrad" snapshot_prefix: "lenet_solver"

    Raises CaffeError where both `type` and `solver_type` are set.
    """
    new = _copy(solver)
    if new.HasField("solver_type"):
        if new.HasField("type"):
            raise CaffeError("both solver_type and type are set; want type alone", file or None)
        new.type = SOLVER_TYPES[SolverParameter.SolverType.Name(new.solver_type)]
        new.ClearField("solver_type")
    if file and not new.HasField("snapshot_prefix"):
        new.snapshot_prefix = str(Path(file).with_suffix(""))
    return new


def _copy(message: Any) -> Any:
    new = type(message)()
    new.CopyFrom(message)
    return new
