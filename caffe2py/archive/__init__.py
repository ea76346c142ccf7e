"""Bundles that still answer in decades: a net's original files, its translation, the proof, and what a finder needs.

The public functions load when they are first used: `from caffe2py.archive import create, check, extract, describe`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe2py.archive.checking import check
    from caffe2py.archive.contents.info import Info, read_info
    from caffe2py.archive.extraction import describe, extract
    from caffe2py.archive.hub import create_hub_folder
    from caffe2py.archive.making import create
    from caffe2py.archive.many import create_all

_HOMES = {
    "Info": "contents.info",
    "check": "checking",
    "create": "making",
    "create_all": "many",
    "create_hub_folder": "hub",
    "describe": "extraction",
    "extract": "extraction",
    "read_info": "contents.info",
}

__all__ = ["Info", "check", "create", "create_all", "create_hub_folder", "describe", "extract", "read_info"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'caffe2py.archive' has no attribute {name!r}")
    return getattr(importlib.import_module(f"caffe2py.archive.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
