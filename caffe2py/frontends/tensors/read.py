"""Named tensors out of a file, whose kind its suffix tells. Float32 values are views on the file where they can be."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe2py.errors import FileError
from caffe2py.frontends.tensors.mindspore import read_checkpoint
from caffe2py.frontends.tensors.torch_files import torch_load
from caffe2py.frontends.tensors.values import viewed, widened
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import map_file
from caffe2py.proto.disk.numpy_files import archive

if TYPE_CHECKING:
    import torch

Tensors = Mapping[str, np.ndarray]
TYPES = {
    **{f"F{n}": np.dtype(f"<f{n // 8}") for n in (16, 32, 64)},
    **{f"I{n}": np.dtype(f"<i{n // 8}") for n in (8, 16, 32, 64)},
    **{f"U{n}": np.dtype(f"<u{n // 8}") for n in (8, 16, 32, 64)},
    "BOOL": np.dtype(np.bool_),
    "BF16": np.dtype("<u2"),  # the upper half of a float32
}
WRAPPED = ("state_dict", "model", "model_state", "net")  # under which training scripts keep a state dict


def read_tensors(path: str | os.PathLike[str]) -> Tensors:
    """The tensors of a file by their names. Raises `FileError` for a file of another kind, or a damaged one."""
    name, suffix = os.fspath(path), Path(path).suffix
    if suffix not in READERS:
        raise FileError(f'no weights are read from "{suffix}"; want one of {" ".join(READERS)}', name)
    return READERS[suffix](name)


def _safetensors(path: str) -> Tensors:
    """Eight bytes of length, a header in JSON, the tensors one behind the other, nothing else.

    Source: https://github.com/huggingface/safetensors.
    """
    buffer = map_file(path)
    with damage_told(path, "file of safetensors"):
        (length,) = struct.unpack_from("<Q", buffer, 0)
        header: dict[str, Any] = json.loads(buffer[8 : 8 + length], object_pairs_hook=_once)
        header.pop("__metadata__", None)
        places = sorted(entry["data_offsets"] for entry in header.values())
        if [start for start, _ in places] + [len(buffer) - 8 - length] != [0, *(stop for _, stop in places)]:
            raise ValueError("the tensors do not lie one behind the other")
        data = memoryview(buffer)[8 + length :]
        return {name: _mapped(data, entry) for name, entry in header.items()}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object none of whose names comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _mapped(data: memoryview, entry: Mapping[str, Any]) -> np.ndarray:
    start, stop = entry["data_offsets"]
    found = viewed(data[start:stop], TYPES[entry["dtype"]], entry["shape"])
    return widened(found) if entry["dtype"] == "BF16" else found


def _torch(path: str) -> Tensors:
    import torch

    wish = "want a state dict"
    found = torch_load(path, wish, mapped=True)
    for word in WRAPPED:
        if isinstance(found, dict) and isinstance(found.get(word), dict):
            found = found[word]
    if not isinstance(found, dict) or not any(isinstance(t, torch.Tensor) for t in found.values()):
        raise FileError(f"holds no tensors by names; {wish}", path)
    return {str(k).removeprefix("module."): _array(k, t, path) for k, t in found.items() if isinstance(t, torch.Tensor)}


def _array(name: object, tensor: torch.Tensor, path: str) -> np.ndarray:
    import torch

    with damage_told(path, f'tensor "{name}"'):
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"shape {tuple(tensor.shape)} wants more values than are there")
        if tensor.is_complex():
            raise ValueError("its numbers are complex")
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()


def _numpy(path: str) -> Tensors:
    with archive(Path(path)) as arrays:
        return {name: read() for name, read in arrays.items()}


READERS: dict[str, Callable[[str], Tensors]] = {
    ".safetensors": _safetensors,
    ".pth": _torch,
    ".pt": _torch,
    ".npz": _numpy,
    ".ckpt": read_checkpoint,
}
