"""BatchNorm: normalisation by the statistics of each channel, without scale and shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Shape,
    Term,
    count,
    layer,
    optional,
    param,
    text,
)


@layer("BatchNorm")
class BatchNorm(Layer):
    """top = (x - mean) / sqrt(variance + eps), by channel (axis 1).

    Caffe keeps running sums: the statistics it uses are blob 0 / blob 2 and blob 1 / blob 2, and 0 where blob 2
    is 0. There is no gamma and no beta: a Scale layer does those. In phase TRAIN, or with use_global_stats:
    false, the statistics are the batch's own. Source: batch_norm_layer.cpp.
    """

    running = frozenset(("mean", "variance", "scale_factor"))
    use_global_stats: bool | None = optional("batch_norm_param.use_global_stats")
    moving: float = param("batch_norm_param.moving_average_fraction")
    eps: float = param("batch_norm_param.eps")

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) < 2:
            raise Misfit(f"has a bottom of shape {text(x)}; want a channel axis")
        return [x]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        return {"mean": (x[1],), "variance": (x[1],), "scale_factor": (1,)}

    def uses_stored(self, phase: str) -> bool:
        """Does the layer use its stored statistics in this phase?"""
        return phase == "TEST" if self.use_global_stats is None else self.use_global_stats

    def torch(self, em: Emitter, x: Term) -> str:
        sums = [em.parameter(i) for i in range(3)]
        batch = "self.training" if self.use_global_stats is None else str(not self.use_global_stats)
        return em.call("batch_norm", x, *sums, batch, moving=self.moving, eps=self.eps)

    def onnx(self, g: Builder, x: Handle) -> Handle:
        if self.uses_stored(g.phase):
            return (
                AffineBatchNorm(eps=self.eps, scale=False, bias=False).onnx(g, x) if self.eps > 0 else self._plain(g, x)
            )
        if g.phase == "TRAIN":
            raise Misfit("updates its statistics in phase TRAIN; load the net with phase TEST")
        axes = [0, *range(2, len(x.shape))]
        centred = g.op("Sub", x, g.reduce("ReduceMean", x, axes))
        variance = g.reduce("ReduceMean", g.op("Mul", centred, centred), axes)
        return g.op("Div", centred, g.op("Sqrt", g.op("Add", variance, self.eps)))

    def _plain(self, g: Builder, x: Handle) -> Handle:
        """With an eps that ONNX's operator does not take: a number for each channel."""
        import numpy as np  # here, so that a net can be shown without it

        mean, variance, factor = (g.blob(i) for i in range(3))
        across = (-1, *[1] * (len(x.shape) - 2))
        divisor = np.sqrt(statistic(variance, factor) + np.float32(self.eps)).reshape(across)
        centred = g.op("Sub", x, g.constant(statistic(mean, factor).reshape(across), "mean"))
        return g.op("Div", centred, g.constant(divisor, "deviation"))

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])


@dataclass(frozen=True)
class AffineBatchNorm(Layer):
    """BatchNorm and the Scale behind it in one: top = gamma * (x - mean) / sqrt(variance + eps) + beta.

    No Caffe type: a pass makes it. Its weights are BatchNorm's three blobs, then gamma and beta where they are.
    """

    type = "BatchNorm"
    eps: float = 1e-5
    moving: float = 0.999
    scale: bool = True
    bias: bool = True

    def torch(self, em: Emitter, x: Term) -> str:
        rank = max(len(x.shape) - 2, 1)
        settings = [str(x.shape[1]), f"eps={self.eps}", f"momentum={round(1 - self.moving, 9)}"]
        state: dict[str, Any] = {
            "running_mean": lambda b: statistic(b[0], b[2]),
            "running_var": lambda b: statistic(b[1], b[2]),
        }
        if self.scale:
            state["weight"] = 3
            state["bias"] = 4 if self.bias else lambda b: _zeros(b[3].shape, "float32")
        else:
            settings.append("affine=False")
        state["num_batches_tracked"] = lambda b: _zeros((), "int64")
        module = em.module(f"nn.BatchNorm{rank}d({', '.join(settings)})", **state)
        return f"{module}({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        mean, variance, factor = (g.blob(i) for i in range(3))
        gamma = g.weight(3) if self.scale else g.constant([1.0] * mean.size, "weight")
        beta = g.weight(4) if self.bias else g.constant([0.0] * mean.size, "bias")
        statistics = g.constant(statistic(mean, factor), "mean"), g.constant(statistic(variance, factor), "variance")
        return g.op("BatchNormalization", x, gamma, beta, *statistics, epsilon=self.eps)

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])


def statistic(total: Any, factor: Any) -> Any:
    """The mean or variance that a stored sum (an array) stands for: sum / factor, rounded once; 0 for a factor 0."""
    scale = float(factor.reshape(-1)[0])
    return (total.astype("float64") / scale).astype(total.dtype) if scale else _zeros(total.shape, total.dtype)


def _zeros(shape: Shape, dtype: Any) -> Any:
    import numpy as np  # here, so that a net can be shown without it

    return np.zeros(shape, dtype)
