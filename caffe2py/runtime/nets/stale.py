"""Layers whose backward pass reads a blob that a later layer has overwritten."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.runtime.layers.operator import Operator


def mark_stale(operators: Sequence[Operator]) -> None:
    """Nothing yet."""
