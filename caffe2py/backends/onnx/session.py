"""A net in onnxruntime without a file between: its weights are handed over in memory, whatever their size."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from caffe2py.backends.onnx.builder import Tensor
from caffe2py.backends.onnx.model import OnnxProgram, proto_head
from caffe2py.errors import CaffeError, NetError, UnsupportedError, first_line

INSIDE = 1024  # tensors of up to so many bytes stand in the model, where onnxruntime reads shapes and axes


def library() -> ModuleType:
    """onnxruntime. Raises `CaffeError` where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        raise CaffeError("running ONNX needs onnxruntime: pip install 'caffe2py[verify]'") from None
    found: ModuleType = onnxruntime
    return found


def providers(device: str) -> list[Any]:
    """What onnxruntime is to run on a device as torch names it. Raises `CaffeError` where it cannot."""
    found = ["CPUExecutionProvider"]
    if device == "cpu":
        return found
    kind, _, number = device.partition(":")
    if kind != "cuda" or "CUDAExecutionProvider" not in library().get_available_providers():
        raise CaffeError(f'this onnxruntime has no device "{device}"; want cpu, or onnxruntime-gpu')
    return [("CUDAExecutionProvider", {"device_id": int(number or 0), "use_tf32": 0}), *found]


class Session:
    """A function of the net's inputs in Caffe's order, that gives all its outputs in Caffe's order.

    Raises `CaffeError` where onnxruntime has no such device, `UnsupportedError` where it does not take the net;
    called, `NetError` for inputs of sizes that the model is not for.
    """

    def __init__(self, made: OnnxProgram, threads: int, device: str = "cpu") -> None:
        runtime, wanted = library(), providers(device)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors come as exceptions
        large = [t for t in made.tensors if t.nbytes > INSIDE]
        values = [runtime.OrtValue.ortvalue_from_numpy(_aligned(t)) for t in large]
        options.add_external_initializers([t.name for t in large], values)
        self._net = made.graph.name
        try:
            self._session: Any = runtime.InferenceSession(_model(made, large), options, wanted)
        except Exception as error:  # onnxruntime's own kinds, none of which is public
            raise UnsupportedError(f'onnxruntime refuses net "{self._net}": {first_line(error)}') from None
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._outputs = [made.outputs[blob] for blob in made.graph.outputs]
        first = self._session.get_inputs()[0].shape if self._inputs else []
        self.batch: int | None = first[0] if first and isinstance(first[0], int) else None  # None: any

    def __call__(self, given: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            made: list[np.ndarray] = self._session.run(self._outputs, dict(zip(self._inputs, given, strict=True)))
        except Exception as error:  # of the same kinds
            raise NetError(f'onnxruntime cannot run net "{self._net}" on these inputs: {first_line(error)}') from None
        return made


def _model(made: OnnxProgram, large: Sequence[Tensor]) -> bytes:
    """The model, in which large tensors have names and shapes alone."""
    model = onnx.ModelProto()
    model.CopyFrom(made.proto)
    place = [onnx.StringStringEntryProto(key="location", value="handed over in memory")]
    outside = {t.name for t in large}
    for t in made.tensors:
        if t.name in outside:
            head = proto_head(t, external_data=place, data_location=onnx.TensorProto.EXTERNAL)
        else:
            head = proto_head(t, raw_data=bytes(t.data()))
        model.graph.initializer.append(head)
    return model.SerializeToString()


def _aligned(tensor: Tensor) -> np.ndarray:
    """A tensor's values where a processor likes to read them; in a caffemodel floats stand at any byte."""
    return np.require(tensor.array.reshape(tensor.shape), tensor.dtype, ["C", "A"])
