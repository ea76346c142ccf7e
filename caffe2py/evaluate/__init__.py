"""Images to error rates: preprocessing as OpenCV does it, class orders, known releases, the published table.

The public functions load when they are first used: `from caffe2py.evaluate import classify, detect, evaluate`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe2py.evaluate.classification import classify
    from caffe2py.evaluate.detection import detect
    from caffe2py.evaluate.evaluation import evaluate
    from caffe2py.evaluate.published import table
    from caffe2py.evaluate.releases.identification import identify

_HOMES = {
    "classify": "classification",
    "detect": "detection",
    "evaluate": "evaluation",
    "identify": "releases.identification",
    "table": "published",
}

__all__ = ["classify", "detect", "evaluate", "identify", "table"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'caffe2py.evaluate' has no attribute {name!r}")
    return getattr(importlib.import_module(f"caffe2py.evaluate.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
