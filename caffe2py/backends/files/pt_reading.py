"""A `.pt` read back: the net's text and its state dict, checked, as a module."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from caffe2py.backends.files.pt_file import FIRST, FORMAT
from caffe2py.backends.torch.run import filled
from caffe2py.backends.torch.source import STYLES, program
from caffe2py.backends.torch.writing.program import Program
from caffe2py.errors import FileError, WeightError
from caffe2py.frontends.tensors.torch_files import torch_load
from caffe2py.graph import Graph
from caffe2py.graph.build import build
from caffe2py.layers.base import Shape
from caffe2py.layers.base.plugins import load_plugins
from caffe2py.proto.disk.pipes import settled
from caffe2py.proto.filter import PHASES
from caffe2py.proto.net import parse_net

WISH = "want a .pt that caffe2py wrote"


def load_torch(path: str | os.PathLike[str], plugins: Sequence[str | os.PathLike[str]] = ()) -> torch.nn.Module:
    """The module that `convert -o net.pt` wrote, in eval mode (in training mode for a graph of phase TRAIN).

    `plugins` are Python files with layers of your own, where the net has some; they are run. Nothing in the `.pt`
    itself is ever run as code. Raises `FileError` where the file is missing, damaged, or no such `.pt`; `WeightError`
    where its state dict is not its net's.
    """
    load_plugins(plugins)
    _, made, state = _read(path)
    return filled(made, state).module


def read(path: str | os.PathLike[str]) -> tuple[Graph, str, dict[str, torch.Tensor]]:
    """The net (without weights in its graph), its style and its state dict, once all that a `.pt` says is checked."""
    graph, made, state = _read(path)
    return graph, made.style, state


def _read(path: str | os.PathLike[str]) -> tuple[Graph, Program, dict[str, torch.Tensor]]:
    name = settled(path)
    held = _plain(name)
    text, metadata, state = held.get("prototxt"), held.get("metadata"), held.get("state_dict")
    if not (isinstance(text, str) and isinstance(metadata, dict) and isinstance(state, dict)):
        raise FileError(f'is a "{FORMAT}" file without its prototxt, metadata or state_dict; {WISH}', name)
    net = parse_net(text, name)
    phase = metadata.get("phase")
    if not isinstance(phase, str) or phase not in PHASES:
        raise FileError(f"its phase is {phase!r}; want {' or '.join(PHASES)}", name)
    inputs = _inputs(metadata.get("inputs"), name)
    graph = build(net, phase=phase, inputs=inputs, ignore_unknown_fields=True)  # as it was when written
    style, layers = held.get("style", FIRST), held.get("layers", {})
    if style not in STYLES or not isinstance(layers, dict):
        raise FileError(f"its style is {style!r}; want {' or '.join(STYLES)}", name)
    made = program(graph, style)
    state = _by_layer(made, state, layers)
    _check_state(made, state, name)
    return graph, made, state


def _by_layer(made: Program, state: Mapping[Any, Any], layers: Mapping[Any, Any]) -> dict[Any, Any]:
    """The state dict under this program's keys: the text of another version may call the same layers otherwise."""
    if not layers or made.bindings.keys() == state.keys() or layers.keys() != state.keys():
        return dict(state)
    ours: dict[str, list[str]] = {}
    for key, layer in made.layers().items():
        ours.setdefault(layer, []).append(key)
    theirs: dict[Any, list[Any]] = {}
    for key in state:
        theirs.setdefault(layers[key], []).append(key)
    if {layer: len(keys) for layer, keys in ours.items()} != {layer: len(keys) for layer, keys in theirs.items()}:
        return dict(state)
    return {mine: state[key] for layer in ours for mine, key in zip(ours[layer], theirs[layer], strict=True)}


def _plain(name: str) -> dict[Any, Any]:
    """What `write` has written, as far as its format says so."""
    held = torch_load(name, WISH)
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise FileError(f'is no "{FORMAT}" file; {WISH}', name)
    return held


def _inputs(said: Any, name: str) -> dict[str, Shape]:
    """The shapes of the inputs that have one."""

    def is_shape(shape: Any) -> bool:
        return isinstance(shape, list | tuple) and all(type(d) is int and d >= 0 for d in shape)

    if not isinstance(said, dict) or not all(
        isinstance(blob, str) and (shape is None or is_shape(shape)) for blob, shape in said.items()
    ):
        raise FileError(f"its inputs are no table of shapes by blob; {WISH}", name)
    return {blob: tuple(shape) for blob, shape in said.items() if shape is not None}


def _check_state(made: Program, state: Mapping[Any, Any], name: str) -> None:
    """Is this the state dict of that program: its names, and the shapes and types of their tensors?"""
    if odd := sorted(map(str, made.bindings.keys() ^ state.keys())):
        raise WeightError(f'its state dict and its net differ at "{odd[0]}"; the file was changed', name)
    for key, binding in made.bindings.items():
        blank, found = binding.blank(), state[key]
        dtype = torch.from_numpy(np.empty(0, blank.dtype)).dtype
        plain = isinstance(found, torch.Tensor) and found.layout == torch.strided and found.device.type == "cpu"
        if not plain or (found.dtype, found.shape) != (dtype, blank.shape):
            have = f"{found.dtype} {tuple(found.shape)}" if plain else "no plain tensor"
            wish = f"want {dtype} {blank.shape}"
            raise WeightError(f'"{key}" is {have} in its state dict; {wish}', name)
