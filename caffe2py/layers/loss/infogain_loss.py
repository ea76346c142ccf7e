"""InfogainLoss: the logarithmic loss, weighted by what each pair of classes is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caffe2py.errors import FileError, WeightError
from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    axis,
    count,
    layer,
    optional,
    param,
    text,
)
from caffe2py.layers.loss.losses import Counted, label_each, onnx_labels, same_samples

if TYPE_CHECKING:
    import numpy as np


@layer("InfogainLoss", bottoms=(2, 3), tops=(1, 2), loss=True)
class InfogainLoss(Counted):
    """loss = -sum_k H[label, k] log softmax(x)[k] / n, the classes on `axis`; n by `normalization`.

    x (N, K, ...); one label for each place of x without its classes. H (K, K) is bottom 2, or else the blob in the
    file `source`, which is read when the net gets its weights, not when it is loaded. A second top is softmax(x),
    through which no gradient flows. Source: infogain_loss_layer.cpp.
    """

    axis: int = param("infogain_loss_param.axis")
    source: str | None = optional("infogain_loss_param.source")

    @classmethod
    def read(cls, params: Params) -> Layer:
        if params.has("loss_param.normalize"):
            raise Misfit("says normalize, which this loss does not take; want normalization: VALID or BATCH_SIZE")
        return super().read(params)

    def shapes(self, x: Shape, label: Shape, *gain: Shape) -> Sequence[Shape]:
        at = axis(self.axis, x)
        same_samples(x, label)
        label_each(x, at, label)
        if gain and count(gain[0]) != x[at] ** 2:
            raise Misfit(f"has a matrix of shape {text(gain[0])} for {x[at]} classes; want {x[at] ** 2} values")
        if not gain and not self.source:
            raise Misfit("has no matrix; want it as a third bottom, or infogain_loss_param { source: FILE }")
        return [(), x][: self.outputs]

    def torch(self, em: Emitter, x: Term, label: Term, *gain: Term) -> Sequence[str]:
        at = axis(self.axis, x.shape)
        k = x.shape[at]
        matrix = gain[0] if gain else em.buffer("gain", (k, k), lambda blobs: read_gain(self.source or "", k))
        loss = em.call("infogain_loss", x, label, matrix, axis=at, **self.settings())
        return [loss, f"torch.softmax({x}.detach(), {at})"][: self.outputs]

    def onnx(self, g: Builder, x: Handle, label: Handle, *gain: Handle) -> Sequence[Handle]:
        at = axis(self.axis, x.shape)
        k, places = x.shape[at], (*x.shape[:at], *x.shape[at + 1 :])
        whole, _, counted = onnx_labels(g, label, x.shape, at, self.ignore_label)
        row = whole if counted is None else g.op("Where", counted, whole, g.constant(0, "any"))
        matrix = g.reshape(gain[0], (k, k)) if gain else g.constant(read_gain(self.source or "", k), "gain")
        worth = g.op("Gather", matrix, g.reshape(row, places), axis=0, shape=(*places, k))
        last = [i for i in range(len(x.shape)) if i != at] + [at]
        log_p = g.op("Max", g.transpose(g.softmax(x, at, "LogSoftmax"), last), -46.051701859880914)
        losses = g.op("Neg", g.reduce("ReduceSum", g.op("Mul", worth, log_p), [len(places)], keepdims=False))
        counted = None if counted is None else g.reshape(counted, places)
        loss = self.onnx_mean(g, losses, counted, count(x.shape, 0, at))
        return [loss] if self.outputs == 1 else [loss, g.softmax(x, at)]


def read_gain(path: str, classes: int) -> np.ndarray:
    """The (classes, classes) matrix in a `.binaryproto`. Raises `CaffeError` where the file holds none of that size.

    The path is the net's word, and nets come from strangers: one that leads out of the current folder is not opened.
    """
    import numpy as np  # here, so that a net can be shown without it

    from caffe2py.proto.weights.mean import read_blob

    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise FileError("the net names this file as its source; want one within the current folder", path)
    data = read_blob(path).astype(np.float32)
    if data.size != classes**2:
        raise WeightError(f"a blob of {data.size} values; want {classes} x {classes}, a row for each label", path)
    return data.reshape(classes, classes)
