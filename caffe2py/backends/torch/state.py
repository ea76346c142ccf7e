"""A program's state as arrays: what is written as its state dict."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from caffe2py.backends.torch.writing.program import Program


def state_dict(made: Program) -> OrderedDict[str, np.ndarray]:
    """The state dict, its floats in float32, as views of the weights file where they can be.

    A blob that several layers share is one array under several names. `_metadata[""]["caffe_layers"]` tells of each
    key which Caffe layer it is of; what loads a state dict into a module leaves it alone.
    """
    seen: dict[tuple[str, int], np.ndarray] = {}
    state: OrderedDict[str, np.ndarray] = OrderedDict()
    state._metadata = {"": {"caffe_layers": made.layers()}}  # type: ignore[attr-defined]
    for key, binding in made.bindings.items():
        if (owner := binding.owner) is None:
            state[key] = _float32(binding.value())
            continue
        if owner not in seen:
            seen[owner] = _float32(binding.value())
        state[key] = seen[owner]
    return state


def _float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else np.asarray(array, order="C")
