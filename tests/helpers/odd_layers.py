"""Layers that are wrong on purpose: what a translation that missed a rule of Caffe's would have."""

from __future__ import annotations

from dataclasses import dataclass

from caffe2py.layers.base import Emitter, Term
from caffe2py.layers.recurrent.lstm import LSTM
from caffe2py.layers.vision.pooling import Pooling


@dataclass(frozen=True)
class UncountedAverage(Pooling):
    """Averages over what lies in the image alone."""

    def torch(self, em: Emitter, x: Term) -> str:
        settings = f"padding={self.pad}, ceil_mode=True, count_include_pad=False"
        return f"F.avg_pool2d({x}, {self.kernel}, {self.stride}, {settings})"


@dataclass(frozen=True)
class EndlessLSTM(LSTM):
    """Never begins a new sequence."""

    def torch(self, em: Emitter, x: Term, cont: Term, *others: Term) -> str:
        return super().torch(em, x, Term(f"torch.ones_like({cont})", cont.shape), *others)
