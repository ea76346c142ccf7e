"""CuDNNBatchNorm: batch normalisation with scale and bias, as cuDNN has it."""

from __future__ import annotations

from caffe2py.layers.base import Builder, Emitter, Handle, Misfit, Term, layer, param, unsaid
from caffe2py.layers.normalization.affine_batch_norm import AffineBatchNorm, Normalizing


@layer("CuDNNBatchNorm", fork="GENet", formula=True)
class CuDNNBatchNorm(Normalizing):
    """top = weight * (x - mean) / sqrt(variance + eps) + bias, by channel, with the stored mean and variance.

    eps is at least 1e-5, as cuDNN wants it. In phase TRAIN the statistics are the batch's. Blobs (C): weight, bias,
    mean, variance, an order that is inferred from the learning rates in GENet's files; its source is not published.
    """

    order: tuple[str, ...] = unsaid(("weight", "bias", "mean", "variance"))
    eps: float = param("cudnn_batch_norm_param.eps", 1e-5)
    own_eps: float = param("batch_norm_param.eps")
    moving: float = param("batch_norm_param.moving_average_fraction")

    def affine(self, phase: str) -> AffineBatchNorm | None:
        return AffineBatchNorm(self.order, max(self.eps, self.own_eps, 1e-5), self.moving) if phase == "TEST" else None

    def torch(self, em: Emitter, x: Term) -> str:
        weight, bias, mean, variance = (em.parameter(i) for i in range(4))
        settings = f"{em.training}, {round(1 - self.moving, 9)}, {max(self.eps, self.own_eps, 1e-5)}"
        return f"F.batch_norm({x}, {mean}, {variance}, {weight}, {bias}, {settings})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        stored = self.affine(g.phase)
        if stored is None:
            raise Misfit("updates its statistics in phase TRAIN; want phase TEST")
        return stored.onnx(g, x)
