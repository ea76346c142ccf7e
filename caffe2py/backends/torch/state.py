"""A program's state as arrays: what is written as its state dict."""

from __future__ import annotations

import numpy as np

from caffe2py.backends.torch.program import Program


def state_dict(made: Program) -> dict[str, np.ndarray]:
    """The state dict, its floats in float32, as views of the weights file where they can be.

    A blob that several layers share is one array under several names.
    """
    seen: dict[tuple[str, int], np.ndarray] = {}
    state = {}
    for key, binding in made.bindings.items():
        if binding.index is None:
            state[key] = _float32(binding.value())
            continue
        owner = binding.node.weights[binding.index].owner
        if owner not in seen:
            seen[owner] = _float32(binding.value())
        state[key] = seen[owner]
    return state


def _float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else np.asarray(array, order="C")
