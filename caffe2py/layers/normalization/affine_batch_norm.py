"""Normalisation by stored statistics with scale and bias in one, whoever keeps the blobs in whatever order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, count, text, unsaid

CAFFE = ("mean", "variance", "scale_factor")


@dataclass(frozen=True)
class Normalizing(Layer):
    """What the batch normalisations share: x with a channel axis, and blobs of a value for each channel.

    `order` names the blobs as the layer holds them: mean and variance, which are sums to be divided by a scale_factor
    where there is one; weight and bias, which scale and shift what is normalised; `unused` is one that nobody reads.
    """

    order: tuple[str, ...] = unsaid(CAFFE)

    running = frozenset((*CAFFE, "unused"))

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if len(x) < 2:
            raise Misfit(f"has a bottom of shape {text(x)}; want a channel axis")
        return [x]

    def weights(self, x: Shape) -> Mapping[str, Shape]:
        return {name: (1,) if name in ("scale_factor", "unused") else (x[1],) for name in self.order}

    def affine(self, phase: str) -> AffineBatchNorm | None:
        """The same by stored statistics; None where those of the batch are used in this phase."""
        raise NotImplementedError

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])


@dataclass(frozen=True)
class AffineBatchNorm(Normalizing):
    """top = weight * (x - mean) / sqrt(variance + eps) + bias, without weight and bias where `order` has none.

    No Caffe type: passes make it, of Caffe's BatchNorm and the Scale behind it, and of the forks' normalisations.
    """

    type = "BatchNorm"
    eps: float = 1e-5
    moving: float = 0.999

    def numbers(self, blobs: Sequence[Any]) -> dict[str, Any]:
        """The blobs by name, of a value a channel: the statistics divided, weight and bias as they are or None."""
        named = {name: blob.reshape(-1) for name, blob in zip(self.order, blobs, strict=True)}
        factor = named.get("scale_factor")
        for name in ("mean", "variance"):
            named[name] = named[name] if factor is None else statistic(named[name], factor)
        return {name: named.get(name) for name in ("mean", "variance", "weight", "bias")}

    def affine(self, phase: str) -> AffineBatchNorm | None:
        return self

    def torch(self, em: Emitter, x: Term) -> str:
        rank = max(len(x.shape) - 2, 1)
        settings = [str(x.shape[1]), f"eps={self.eps}", f"momentum={round(1 - self.moving, 9)}"]
        state: dict[str, Any] = {
            "running_mean": lambda b: self.numbers(b)["mean"],
            "running_var": lambda b: self.numbers(b)["variance"],
        }
        if "weight" in self.order:
            state["weight"] = self.order.index("weight")
            zeros = lambda b: _zeros((x.shape[1],), "float32")  # noqa: E731
            state["bias"] = self.order.index("bias") if "bias" in self.order else zeros
        else:
            settings.append("affine=False")
        state["num_batches_tracked"] = lambda b: _zeros((), "int64")
        module = em.module(f"nn.BatchNorm{rank}d({', '.join(settings)})", **state)
        return f"{module}({x})"

    def onnx(self, g: Builder, x: Handle) -> Handle:
        channels = (x.shape[1],)
        numbers = self.numbers([g.blob(i) for i in range(len(self.order))])

        def learned(name: str, otherwise: float) -> Handle:
            if name in self.order:
                return g.weight(self.order.index(name), channels)
            return g.constant([otherwise] * numbers["mean"].size, name)

        statistics = (g.constant(numbers[name], name) for name in ("mean", "variance"))
        return g.op(
            "BatchNormalization", x, learned("weight", 1.0), learned("bias", 0.0), *statistics, epsilon=self.eps
        )


def statistic(total: Any, factor: Any) -> Any:
    """The mean or variance that a stored sum (an array) stands for: sum / factor, rounded once; 0 for a factor 0."""
    scale = float(factor.reshape(-1)[0])
    return (total.astype("float64") / scale).astype(total.dtype) if scale else _zeros(total.shape, total.dtype)


def _zeros(shape: Shape, dtype: Any) -> Any:
    import numpy as np  # here, so that a net can be shown without it

    return np.zeros(shape, dtype)
