"""caffe2py: Caffe models without Caffe. Read them, translate them, prove the translation, run them, keep them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from caffe2py.version import __version__

if TYPE_CHECKING:
    from caffe2py.backends.convert import convert
    from caffe2py.backends.files.caffe_file import save
    from caffe2py.backends.files.pt_reading import load_torch
    from caffe2py.backends.onnx.model import to_onnx
    from caffe2py.backends.optimized import optimized
    from caffe2py.backends.sources.onnx_model import load_onnx
    from caffe2py.backends.torch.run import run, to_torch
    from caffe2py.backends.torch.source import to_source
    from caffe2py.errors import CaffeError
    from caffe2py.evaluate.classification import classify
    from caffe2py.evaluate.detection import detect
    from caffe2py.evaluate.releases.identification import identify
    from caffe2py.frontends.senets.load import load_layout
    from caffe2py.graph.fillers import fill_weights
    from caffe2py.graph.load import load
    from caffe2py.proof.compare import compare
    from caffe2py.proof.record import record
    from caffe2py.proof.verify import verify
    from caffe2py.proto.upgrade.file import upgrade

# Where each public name lives. They load when they are first used, so that `import caffe2py` is quick.
_HOMES = {
    "CaffeError": "errors",
    "classify": "evaluate.classification",
    "compare": "proof.compare",
    "convert": "backends.convert",
    "detect": "evaluate.detection",
    "fill_weights": "graph.fillers",
    "identify": "evaluate.releases.identification",
    "load": "graph.load",
    "load_layout": "frontends.senets.load",
    "load_onnx": "backends.sources.onnx_model",
    "load_torch": "backends.files.pt_reading",
    "optimized": "backends.optimized",
    "record": "proof.record",
    "run": "backends.torch.run",
    "save": "backends.files.caffe_file",
    "to_onnx": "backends.onnx.model",
    "to_source": "backends.torch.source",
    "to_torch": "backends.torch.run",
    "upgrade": "proto.upgrade.file",
    "verify": "proof.verify",
}

__all__ = [
    "CaffeError",
    "__version__",
    "classify",
    "compare",
    "convert",
    "detect",
    "fill_weights",
    "identify",
    "load",
    "load_layout",
    "load_onnx",
    "load_torch",
    "optimized",
    "record",
    "run",
    "save",
    "to_onnx",
    "to_source",
    "to_torch",
    "upgrade",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'caffe2py' has no attribute {name!r}")
    return getattr(importlib.import_module(f"caffe2py.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
