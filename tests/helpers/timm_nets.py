"""timm's own modules, with random weights."""

from __future__ import annotations

from typing import Any

import torch

from caffe2py.backends.sources.timm_module import timm
from tests.helpers.absent import absent


def timm_module(name: str, **words: Any) -> Any:
    """As timm makes it for a name."""
    found = timm()
    if found is None:
        absent("timm, whose own modules the nets are held against")
    torch.manual_seed(7)
    return found.create_model(name, **words).eval()


def draw_statistics(module: torch.nn.Module) -> None:
    """Statistics for every BatchNorm that are not those of a new one."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(part.running_var, 0.8, 1.2)
