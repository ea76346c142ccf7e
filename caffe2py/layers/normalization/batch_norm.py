"""BatchNorm: normalisation by the statistics of each channel; in Caffe itself without scale and shift."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Params,
    Several,
    Term,
    deep,
    layer,
    meaning,
    onnx_rectified,
    optional,
    param,
    read_fields,
    rectified,
)
from caffe2py.layers.normalization.affine_batch_norm import CAFFE, AffineBatchNorm, Normalizing, statistic

LEARNED = ("weight", "bias")


@meaning("BatchNorm", blobs=(3,))
class BatchNorm(Normalizing):
    """top = (x - mean) / sqrt(variance + eps), by channel (axis 1).

    Caffe keeps running sums: the statistics it uses are blob 0 / blob 2 and blob 1 / blob 2, and 0 where blob 2
    is 0. There is no gamma and no beta: a Scale layer does those. In phase TRAIN, or with use_global_stats:
    false, the statistics are the batch's own. Source: batch_norm_layer.cpp.
    """

    use_global_stats: bool | None = optional("batch_norm_param.use_global_stats")
    moving: float = param("batch_norm_param.moving_average_fraction")
    eps: float = param("batch_norm_param.eps")

    def uses_stored(self, phase: str) -> bool:
        """Does the layer use its stored statistics in this phase?"""
        return phase == "TEST" if self.use_global_stats is None else self.use_global_stats

    def affine(self, phase: str) -> AffineBatchNorm | None:
        if not self.uses_stored(phase) or self.eps <= 0:  # an eps that neither torch's module nor ONNX's operator takes
            return None
        return AffineBatchNorm(self.order, self.eps, self.moving)

    def batch(self, em: Emitter) -> str:
        """The text of whether the statistics are the batch's."""
        return em.training if self.use_global_stats is None else str(not self.use_global_stats)

    def torch(self, em: Emitter, x: Term) -> str:
        sums = [em.parameter(i) for i in range(3)]
        return em.call("batch_norm", x, *sums, self.batch(em), moving=self.moving, eps=self.eps)

    def in_one(self, em: Emitter, x: Term) -> str:
        """The text for blobs that torch takes as they are: mean, variance, weight and bias."""
        blobs = (em.parameter(self.order.index(name)) for name in ("mean", "variance", *LEARNED))
        return f"F.batch_norm({x}, {', '.join(blobs)}, {self.batch(em)}, {round(1 - self.moving, 9)}, {self.eps})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if stored := BatchNorm.affine(self, g.phase):
            return stored.onnx(g, x)
        if self.uses_stored(g.phase):
            top = self.onnx_plain(g, x)
        elif g.training:
            raise Misfit("updates its statistics in phase TRAIN; want phase TEST")
        else:
            centred, variance = onnx_moments(g, x)
            top = g.op("Div", centred, g.op("Sqrt", g.op("Add", variance, self.eps)))
        for operator, name in (("Mul", "weight"), ("Add", "bias")):
            if name in self.order:
                across = (x.shape[1], *[1] * (len(x.shape) - 2))
                top = g.op(operator, top, g.weight(self.order.index(name), across))
        return top

    def onnx_plain(self, g: Builder, x: Handle, centre: bool = True, scale: bool = True) -> Handle:
        """By a number for each channel, without ONNX's operator."""
        import numpy as np  # here, so that a net can be shown without it

        across = (-1, *[1] * (len(x.shape) - 2))
        mean, variance = (statistic(g.blob(i), g.blob(2)).reshape(across) for i in range(2))
        if centre:
            x = g.op("Sub", x, g.constant(mean, "mean"))
        return g.op("Div", x, g.constant(np.sqrt(variance + np.float32(self.eps)), "deviation")) if scale else x


@meaning(
    "BatchNorm",
    fork="happynear",
    formula=True,
    words=("batch_norm_param.disable_mean", "batch_norm_param.disable_variance"),
    blobs=(3,),
)
class PartialBatchNorm(BatchNorm):
    """Caffe's BatchNorm, without the mean (disable_mean) or without the division (disable_variance).

    From the meaning of the two fields; the fork's source was not at hand.
    """

    disable_mean: bool = param("batch_norm_param.disable_mean", False)
    disable_variance: bool = param("batch_norm_param.disable_variance", False)

    def affine(self, phase: str) -> AffineBatchNorm | None:
        return None

    def torch(self, em: Emitter, x: Term) -> str:
        sums = [em.parameter(i) for i in range(3)]
        words = {
            "moving": self.moving,
            "eps": self.eps,
            "centre": not self.disable_mean,
            "scale": not self.disable_variance,
        }
        return em.call("batch_norm", x, *sums, self.batch(em), **words)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if not self.uses_stored(g.phase):
            raise Misfit("uses the statistics of the batch; want use_global_stats, or phase TEST")
        return self.onnx_plain(g, x, centre=not self.disable_mean, scale=not self.disable_variance)


@meaning(
    "BatchNorm",
    fork="NVIDIA",
    formula=True,
    words=("batch_norm_param.scale_bias", "batch_norm_param.scale_filler"),
    blobs=(5,),
)
class ScaledBatchNorm(BatchNorm):
    """top = weight * (x - mean) / sqrt(variance + eps) + bias, eps at least 1e-5.

    Blobs: mean, variance, one that is not read, weight, bias; in NVCaffe 0.14 and 0.15, and where the last blob is
    one number, weight, bias, mean, variance and one that is not read. Without a scale (scale_bias: false) they are
    Caffe's own three. From net.cpp and batch_norm_layer.cpp of NVIDIA/caffe; nobody ran it for a record.
    """

    fillers = {
        "weight": Filler("batch_norm_param.scale_filler", otherwise=1.0),
        "bias": Filler("batch_norm_param.bias_filler"),
        "scale_factor": Filler("", otherwise=1.0),
    }

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params)
        scaled = any(params.has(f"batch_norm_param.{word}") for word in ("scale_filler", "bias_filler"))
        scaled = scaled or params.get("batch_norm_param.scale_bias", False) or len(params.blobs) == 5
        old = len(params.blobs) == 5 and params.blobs[4] in ((1,), (1, 1, 1, 1))
        order = (*LEARNED, "mean", "variance", "unused") if old else ("mean", "variance", "unused", *LEARNED)
        fields["eps"] = max(fields["eps"], 1e-5)
        return cls(**fields | {"order": order if scaled else CAFFE})

    def torch(self, em: Emitter, x: Term) -> str:
        return super().torch(em, x) if self.order == CAFFE else self.in_one(em, x)


@meaning(
    "BatchNorm",
    fork="Intel",
    formula=True,
    words=tuple(f"batch_norm_param.{word}" for word in ("use_weight_bias", "bias_term", "filler", "relu")),
    blobs=(4,),
)
class WeightedBatchNorm(BatchNorm):
    """top = weight * (x - mean) / sqrt(variance + eps) + bias, then with relu: true max(top, 0).

    Blobs: Caffe's three, weight, bias (without bias_term none); with use_weight_bias: false Caffe's three alone.
    From the fields of Intel's Caffe; the order of the blobs is inferred.
    """

    fillers = {
        "weight": Filler("batch_norm_param.filler", otherwise=1.0),
        "bias": Filler("batch_norm_param.bias_filler"),
    }
    relu: bool = param("batch_norm_param.relu", False)

    @classmethod
    def read(cls, params: Params) -> Layer:
        weighted = params.get("batch_norm_param.use_weight_bias", True) and len(params.blobs) != 3
        biased = params.get("batch_norm_param.bias_term", True) and len(params.blobs) != 4
        learned = LEARNED if biased else LEARNED[:1]
        return cls(**read_fields(cls, params), order=(*CAFFE, *learned) if weighted else CAFFE)

    def affine(self, phase: str) -> AffineBatchNorm | None:
        return None if self.relu else super().affine(phase)

    def torch(self, em: Emitter, x: Term) -> str:
        learned = [deep(em.parameter(i), len(x.shape) - 2) for i in range(3, len(self.order))]
        top = super().torch(em, x)
        for operator, blob in zip("*+", learned, strict=False):
            top = f"{top} {operator} {blob}"
        return rectified(top, self.relu)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        return onnx_rectified(g, super().onnx(g, x), self.relu)


@layer("BatchNorm")
class BatchNorms(Several):
    """Normalisation by channel: Caffe's own, which five blobs or a fork's fields make another."""

    meanings = (BatchNorm, ScaledBatchNorm, WeightedBatchNorm, PartialBatchNorm)


def onnx_moments(g: Builder, x: Handle) -> tuple[Handle, Handle]:
    """x less the mean of its channel in this batch, and the channel's variance."""
    axes = [0, *range(2, len(x.shape))]
    centred = g.op("Sub", x, g.reduce("ReduceMean", x, axes))
    squares: Any = g.op("Mul", centred, centred)
    return centred, g.reduce("ReduceMean", squares, axes)
