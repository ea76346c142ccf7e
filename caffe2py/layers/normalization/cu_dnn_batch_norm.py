"""CuDNNBatchNorm: batch normalisation with scale and bias, as cuDNN has it."""

from __future__ import annotations

from caffe2py.layers.base import Emitter, Filler, Layer, Params, Term, layer, read_fields, unsaid
from caffe2py.layers.normalization.batch_norm import LEARNED, BatchNorm


@layer("CuDNNBatchNorm", fork="GENet", formula=True)
class CuDNNBatchNorm(BatchNorm):
    """top = weight * (x - mean) / sqrt(variance + eps) + bias, by channel, with the stored mean and variance.

    eps is at least 1e-5, as cuDNN wants it. In phase TRAIN the statistics are the batch's. Blobs (C): weight, bias,
    mean, variance, an order that is inferred from the learning rates in GENet's files; its source is not published.
    """

    fillers = {"weight": Filler("", otherwise=1.0)}
    order: tuple[str, ...] = unsaid((*LEARNED, "mean", "variance"))

    @classmethod
    def read(cls, params: Params) -> Layer:
        """The parameters stand in a block of the type's own name, or in BatchNorm's."""
        fields = read_fields(cls, params)
        words = {"eps": "eps", "moving": "moving_average_fraction", "use_global_stats": "use_global_stats"}
        for name, word in words.items():
            fields[name] = params.get(f"cudnn_batch_norm_param.{word}", fields.get(name))
        return cls(**fields | {"eps": max(fields["eps"], 1e-5)})

    def torch(self, em: Emitter, x: Term) -> str:
        return self.in_one(em, x)
