"""A program's state as torch tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe2py.backends.torch.program import Program
from caffe2py.proto.disk.files import steady


def state_dict(made: Program) -> dict[str, torch.Tensor]:
    """The state dict in float32, as views of the weights file where they can be: to be written, not to be trained.

    A blob that several layers share is one tensor under several names.
    """
    seen: dict[tuple[str, int], torch.Tensor] = {}
    state = {}
    for key, binding in made.bindings.items():
        if binding.index is None:
            state[key] = torch.from_numpy(_float32(binding.value()))
            continue
        owner = binding.node.weights[binding.index].owner
        if owner not in seen:
            seen[owner] = torch.from_numpy(_float32(binding.value()))
        state[key] = seen[owner]
    return state


def save(held: Any, path: Path) -> None:
    """torch.save, with a full disk told as what it is; torch calls it an unexpected position."""
    with steady(path) as file:
        torch.save(held, file)


def _float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else np.asarray(array, order="C")
