"""Layers that are wrong on purpose: what a translation that missed a rule of Caffe's would have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caffe2py.backends.torch_source import Name
from caffe2py.layers.lstm import LSTM
from caffe2py.layers.pooling import Pooling


@dataclass(frozen=True)
class UncountedAverage(Pooling):
    """Averages over what lies in the image alone."""

    def torch(self, em: Any, x: Any) -> str:
        settings = f"padding={self.pad}, ceil_mode=True, count_include_pad=False"
        return f"F.avg_pool2d({x}, {self.kernel}, {self.stride}, {settings})"


@dataclass(frozen=True)
class EndlessLSTM(LSTM):
    """Never begins a new sequence."""

    def torch(self, em: Any, x: Any, cont: Any, *others: Any) -> str:
        return super().torch(em, x, Name(f"torch.ones_like({cont})", cont.shape), *others)
