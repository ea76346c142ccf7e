"""Named tensors out of a file, whose kind its suffix tells. Float32 values are views on the file where they can be."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import FileError
from caffe2py.frontends.tensors.mindspore import read_checkpoint
from caffe2py.proto.disk.files import map_file

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
    """Eight bytes of length, a header in JSON, the tensors (https://github.com/huggingface/safetensors)."""
    buffer = map_file(path)
    try:
        (length,) = struct.unpack_from("<Q", buffer, 0)
        header: dict[str, Any] = json.loads(buffer[8 : 8 + length])
        header.pop("__metadata__", None)
        return {name: _mapped(buffer, 8 + length, entry) for name, entry in header.items()}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"this is no file of safetensors ({error})", path) from None


def _mapped(buffer: Any, begin: int, entry: Mapping[str, Any]) -> np.ndarray:
    start, stop = entry["data_offsets"]
    dtype, shape = TYPES[entry["dtype"]], tuple(entry["shape"])
    if (stop - start) != int(np.prod(shape, dtype=np.int64)) * dtype.itemsize or begin + stop > len(buffer):
        raise ValueError("a tensor's bytes are not as many as its shape wants")
    found = np.ndarray(shape, dtype, buffer, begin + start) if stop > start else np.empty(shape, dtype)
    return widened(found) if entry["dtype"] == "BF16" else found


def widened(halves: np.ndarray) -> np.ndarray:
    """bfloat16, given as whole numbers of 16 bits, as float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _torch(path: str) -> Tensors:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except OSError as error:
        raise FileError((error.strerror or str(error)).lower(), path) from None
    except Exception as error:  # pickle's and zip's kinds, and torch's own
        line = next(iter(str(error).strip().splitlines()), "")
        raise FileError(f"torch.load(weights_only=True) refuses it: {line}", path) from None
    for word in WRAPPED:
        if isinstance(found, dict) and isinstance(found.get(word), dict):
            found = found[word]
    if not isinstance(found, dict) or not any(isinstance(t, torch.Tensor) for t in found.values()):
        raise FileError("holds no tensors by names; want a state dict", path)
    tensors = {str(k).removeprefix("module."): t for k, t in found.items() if isinstance(t, torch.Tensor)}
    return {k: (t.float() if t.dtype == torch.bfloat16 else t).detach().numpy() for k, t in tensors.items()}


def _numpy(path: str) -> Tensors:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"this is no .npz of arrays ({reason.lower()})", path) from None


READERS: dict[str, Callable[[str], Tensors]] = {
    ".safetensors": _safetensors,
    ".pth": _torch,
    ".pt": _torch,
    ".npz": _numpy,
    ".ckpt": read_checkpoint,
}
