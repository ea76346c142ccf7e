"""`.safetensors`: Caffe's own blobs, streamed from the weights file without torch.

The format is eight bytes of length, a JSON header, and the tensors one after another; the header's data starts
at a multiple of eight (https://github.com/huggingface/safetensors). Written here because the library's writers
hold all tensors in memory as bytes; it reads what is written here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from caffe2py.backends.provenance import provenance
from caffe2py.graph import Graph
from caffe2py.proto.disk.files import written_whole

TYPES = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64", np.dtype(np.int64): "I64"}


def write(graph: Graph, path: Path) -> list[Path]:
    """Write every learned blob once as `LAYER.INDEX`, in Caffe's shape and order."""
    arrays = {f"{node.key}.{i}": node.blobs()[i] for node, i, _ in graph.owned_weights()}
    write_tensors(path, arrays, provenance(graph))
    return [path]


def write_tensors(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write named arrays one at a time, in their order; those of eight bytes a value first, so that each is aligned."""
    arrays = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": TYPES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).data)
