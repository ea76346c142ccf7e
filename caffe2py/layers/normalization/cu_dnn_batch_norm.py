"""CuDNNBatchNorm: batch normalisation with scale and bias, as cuDNN has it."""

from __future__ import annotations

from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Params, Term, layer, unsaid
from caffe2py.layers.normalization.affine_batch_norm import AffineBatchNorm, Normalizing


@layer("CuDNNBatchNorm", fork="GENet", formula=True)
class CuDNNBatchNorm(Normalizing):
    """top = weight * (x - mean) / sqrt(variance + eps) + bias, by channel, with the stored mean and variance.

    eps is at least 1e-5, as cuDNN wants it. In phase TRAIN the statistics are the batch's. Blobs (C): weight, bias,
    mean, variance, an order that is inferred from the learning rates in GENet's files; its source is not published.
    """

    order: tuple[str, ...] = unsaid(("weight", "bias", "mean", "variance"))
    eps: float = 1e-5
    moving: float = 0.999
    use_global_stats: bool | None = None

    @classmethod
    def read(cls, params: Params) -> Layer:
        """The parameters stand in a block of the type's own name, or in BatchNorm's."""
        words = {"eps": "eps", "moving": "moving_average_fraction", "use_global_stats": "use_global_stats"}
        found: dict[str, Any] = {}
        for name, word in words.items():
            for block in ("batch_norm_param", "cudnn_batch_norm_param"):
                if params.has(f"{block}.{word}"):
                    found[name] = params.get(f"{block}.{word}")
        return cls(**found | {"eps": max(found.get("eps", 0.0), 1e-5)})

    def affine(self, phase: str) -> AffineBatchNorm | None:
        stored = phase == "TEST" if self.use_global_stats is None else self.use_global_stats
        return AffineBatchNorm(self.order, self.eps, self.moving) if stored else None

    def torch(self, em: Emitter, x: Term) -> str:
        weight, bias, mean, variance = (em.parameter(i) for i in range(4))
        batch = em.training if self.use_global_stats is None else str(not self.use_global_stats)
        settings = f"{batch}, {round(1 - self.moving, 9)}, {self.eps}"
        return f"F.batch_norm({x}, {mean}, {variance}, {weight}, {bias}, {settings})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        stored = self.affine(g.phase)
        if stored is None:
            raise Misfit("updates its statistics in phase TRAIN; want phase TEST")
        return stored.onnx(g, x)
