"""Python files that were written, run as they are."""

from __future__ import annotations

import runpy
from pathlib import Path

import torch


def load_py(path: Path) -> torch.nn.Module:
    """The module of a written file, with the weights that lie beside it. Nothing is left in its folder."""
    made: torch.nn.Module = runpy.run_path(str(path))["load"]()
    return made
