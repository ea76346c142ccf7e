"""What the layers share to which a net says boxes in units of its own (bbox_reg_param)."""

from __future__ import annotations

from dataclasses import dataclass

from caffe2py.layers.base import Builder, Handle, Layer, Misfit, param


@dataclass(frozen=True)
class Regressing(Layer):
    """Four numbers d say a box: d * bbox_std + bbox_mean where those are given."""

    mean: tuple[float, ...] = param("bbox_reg_param.bbox_mean", ())
    std: tuple[float, ...] = param("bbox_reg_param.bbox_std", ())

    def check_units(self) -> None:
        """`Misfit` unless there are four of each, or none."""
        if {len(self.mean), len(self.std)} not in ({0}, {4}):
            raise Misfit(f"has {len(self.mean)} bbox_mean and {len(self.std)} bbox_std; want 4 of each, or none")

    def units(self) -> dict[str, list[float]]:
        """The words of a call in torch."""
        return {"mean": list(self.mean), "std": list(self.std)} if self.mean else {}

    def onnx_units(self, g: Builder, d: Handle, behind: int = 0) -> Handle:
        """d as it counts; its axis of the four has `behind` axes behind it."""
        import numpy as np  # here, so that a net can be shown without it

        if not self.mean:
            return d
        std, mean = (np.array(v, np.float32).reshape(-1, *[1] * behind) for v in (self.std, self.mean))
        return g.op("Add", g.op("Mul", d, g.constant(std, "std")), g.constant(mean, "mean"))
