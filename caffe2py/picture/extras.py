"""What pictures and pages need beside caffe2py itself."""

from __future__ import annotations

from importlib.util import find_spec

from caffe2py.errors import CaffeError

PICTURES = ("pygraphviz",)
PAGES = ("pygraphviz", "jinja2")


def require(modules: tuple[str, ...]) -> None:
    """Raise `CaffeError` unless these modules are installed; they come with the extra `report`."""
    if why := lacking(modules):
        raise CaffeError(why)


def lacking(modules: tuple[str, ...]) -> str:
    """Which of these modules is not installed, and how to get it; empty where all are there."""
    absent = (module for module in modules if find_spec(module) is None)
    return next((f"pictures and pages need {module}: pip install 'caffe2py[report]'" for module in absent), "")
