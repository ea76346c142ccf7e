"""BN: normalisation with scale and bias in one layer, of two forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Several,
    Shape,
    Term,
    count,
    layer,
    meaning,
    param,
    text,
    unsaid,
)
from caffe2py.layers.normalization.affine_batch_norm import AffineBatchNorm, Normalizing
from caffe2py.layers.normalization.batch_norm import onnx_moments

SLOPES = tuple(f"bn_param.{word}" for word in ("slope_filler", "bias_filler", "momentum", "eps", "frozen"))
SHIFTS = tuple(f"bn_param.{word}" for word in ("scale_filler", "shift_filler", "bn_mode"))


@meaning("BN", fork="yjxiong", words=SLOPES, blobs=(4,))
class BN(Normalizing):
    """top = slope * (x - mean) / sqrt(variance + eps) + bias, by channel, with the stored mean and variance.

    In phase TRAIN, unless frozen, they are the batch's, of which the stored ones take in 1 - momentum. Blobs
    (1, C, 1, 1): slope, bias, mean, variance. Source: bn_layer.cpp of yjxiong/caffe, also in the Caffe of PSPNet.
    """

    fillers = {"weight": Filler("bn_param.slope_filler", otherwise=1.0), "bias": Filler("bn_param.bias_filler")}
    order: tuple[str, ...] = unsaid(("weight", "bias", "mean", "variance"))
    momentum: float = param("bn_param.momentum", 0.9)
    eps: float = param("bn_param.eps", 1e-5)
    frozen: bool = param("bn_param.frozen", False)

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        return dict.fromkeys(self.order, (1, x[1], 1, 1))

    def affine(self, phase: str) -> AffineBatchNorm | None:
        return AffineBatchNorm(self.order, self.eps, self.momentum) if phase == "TEST" or self.frozen else None

    def torch(self, em: Emitter, x: Term) -> str:
        blobs = [em.parameter(i) for i in range(4)]
        batch = "False" if self.frozen else em.training
        return em.call("moving_batch_norm", x, *blobs, batch, momentum=self.momentum, eps=self.eps)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        stored = self.affine(g.phase)
        if stored is None:
            raise Misfit("updates its statistics in phase TRAIN; want phase TEST")
        return stored.onnx(g, x)


@meaning("BN", fork="SegNet", formula=True, words=SHIFTS, blobs=(2,))
class BatchBN(Layer):
    """INFERENCE: top = scale * x + shift, the statistics being in the two. LEARN: of x normalised by the batch.

    LEARN is the default, and takes the batch's mean and variance at test too, with an eps of 1e-9. x (N, C, H, W).
    Blobs (1, C, 1, 1): scale, shift. From bn_layer.cpp of alexgkendall/caffe-segnet; nobody ran it for a record.
    """

    fillers = {"scale": Filler("bn_param.scale_filler", otherwise=1.0), "shift": Filler("bn_param.shift_filler")}
    mode: str = param("bn_param.bn_mode", "LEARN")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) != 4:
            raise Misfit(f"has a bottom of shape {text(x)}; want 4 axes (num, channels, height, width)")
        return [x]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        return dict.fromkeys(("scale", "shift"), (1, x[1], 1, 1))

    def torch(self, em: Emitter, x: Term) -> str:
        scale, shift = em.parameter(0), em.parameter(1)
        if self.mode == "INFERENCE":
            return f"{x} * {scale} + {shift}"
        return em.call("normalized_batch", x, scale, shift, eps=1e-9)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if self.mode != "INFERENCE":
            centred, variance = onnx_moments(g, x)
            x = g.op("Div", centred, g.op("Sqrt", g.op("Add", variance, 1e-9)))
        return g.op("Add", g.op("Mul", x, g.weight(0)), g.weight(1))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])


@layer("BN")
class BNs(Several):
    """Normalisation by channel with scale and bias, of four blobs or of two, by the fork."""

    meanings = (BN, BatchBN)
