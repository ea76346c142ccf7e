"""The runtimes that read ONNX: each loads a file, for runs on inputs by name that give outputs by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto

from tests.helpers.absent import needs_module
from tests.helpers.layer_cases import Arrays

Run = Callable[[Arrays], Arrays]
Runtime = Callable[[Path, Sequence[str]], Run]


def in_onnxruntime(model: Path | ModelProto, outputs: Sequence[str]) -> Run:
    onnxruntime = needs_module("onnxruntime", "onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    held = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(held, options, providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == list(outputs)
    return lambda inputs: dict(zip(outputs, session.run(None, inputs), strict=True))


def in_opencv(path: Path, outputs: Sequence[str]) -> Run:
    cv2 = needs_module("cv2", "OpenCV 5 (opencv-python-headless>=5)", "5.0")
    net = cv2.dnn.readNetFromONNX(str(path))

    def run(inputs: Arrays) -> Arrays:
        for name, x in inputs.items():
            net.setInput(x, name)
        return dict(zip(outputs, net.forward(list(outputs)), strict=True))

    return run


def in_openvino(path: Path, outputs: Sequence[str]) -> Run:
    openvino = needs_module("openvino", "openvino")
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Arrays) -> Arrays:
        kept = {name for port in model.inputs for name in port.names}  # it drops an input that nothing reads
        made = model({name: x for name, x in inputs.items() if name in kept})
        return {name: np.array(made[name]) for name in outputs}

    return run
