"""What fills a blob that has no data: Caffe's fillers (filler.hpp), from a seeded generator."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe2py.layers.base import Filler, Misfit, Params, Shape, count, param, text

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class FillerParameter:
    """Caffe's message of that name: how an array is filled.

    constant: value. uniform: min to max. gaussian: mean and std; with `sparse` each value is kept with
    probability sparse / shape[0], else 0. xavier: uniform within +-sqrt(3 / n), msra: normal with variance 2 / n,
    where n is the inputs of one output (FAN_IN: count / shape[0]), the outputs of one input (FAN_OUT:
    count / shape[1]) or their mean (AVERAGE). positive_unitball: uniform, each row divided by its sum.
    bilinear: the kernel that interpolates, for upsampling by a Deconvolution.
    """

    type: str = param("dummy_data_param.data_filler.type")
    value: float = param("dummy_data_param.data_filler.value")
    min: float = param("dummy_data_param.data_filler.min")
    max: float = param("dummy_data_param.data_filler.max")
    mean: float = param("dummy_data_param.data_filler.mean")
    std: float = param("dummy_data_param.data_filler.std")
    sparse: int = param("dummy_data_param.data_filler.sparse")
    variance_norm: str = param("dummy_data_param.data_filler.variance_norm")

    @classmethod
    def read(cls, message: Any) -> FillerParameter:
        """From the protobuf message; `Misfit` where it contradicts itself."""
        values = {f.name: getattr(message, f.name) for f in dataclasses.fields(cls)}
        norms = message.DESCRIPTOR.fields_by_name["variance_norm"].enum_type.values_by_number
        return cls(**values | {"variance_norm": norms[message.variance_norm].name}).checked()

    @classmethod
    def at(cls, params: Params, place: Filler) -> FillerParameter:
        """The one that a layer's parameters hold, also in a message that the schema does not know, else its number."""
        paths = {f.name: f"{place.path}.{f.name}" for f in dataclasses.fields(cls)}
        if not any(map(params.has, (place.path, *paths.values()))):
            return cls(value=place.otherwise)
        return cls(**{f.name: params.get(paths[f.name], f.default) for f in dataclasses.fields(cls)}).checked()

    def checked(self) -> FillerParameter:
        """Itself; `Misfit` where it contradicts itself."""
        if self.type not in _KINDS:
            raise Misfit(f'has a filler of type "{self.type}"; want {", ".join(_KINDS)}')
        if (self.sparse != -1 and self.type != "gaussian") or self.sparse < -1:
            raise Misfit(f"has a {self.type} filler with sparse {self.sparse}; want one from 0 on, of a gaussian")
        if self.type == "gaussian" and not self.std > 0:
            raise Misfit(f"has a gaussian filler with std {self.std:g}; want it above 0")
        if self.type == "uniform" and not -math.inf < self.min <= self.max < math.inf:
            raise Misfit(f"has a uniform filler from {self.min:g} to {self.max:g}; want max to be no less than min")
        return self

    def array(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        """An array of float32 of that shape; `Misfit` where the filler cannot fill one."""
        import numpy as np  # here, so that a net can be shown without it

        return np.array(np.broadcast_to(_KINDS[self.type](self, shape, rng), shape), dtype=np.float32, order="C")


def _constant(filler: FillerParameter, shape: Shape, rng: np.random.Generator) -> Any:
    return filler.value


def _uniform(filler: FillerParameter, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(filler.min, filler.max, shape)


def _gaussian(filler: FillerParameter, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    values = rng.normal(filler.mean, filler.std, shape)
    return values if filler.sparse == -1 else values * (rng.uniform(size=shape) < filler.sparse / _rows(shape))


def _xavier(filler: FillerParameter, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    bound = math.sqrt(3 / _fan(filler, shape))
    return rng.uniform(-bound, bound, shape)


def _msra(filler: FillerParameter, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, math.sqrt(2 / _fan(filler, shape)), shape)


def _positive_unitball(filler: FillerParameter, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    rows = rng.uniform(0, 1, (_rows(shape), count(shape, 1)))
    return (rows / rows.sum(1, keepdims=True)).reshape(shape)


def _bilinear(filler: FillerParameter, shape: Shape, rng: np.random.Generator) -> Any:
    """1 near the middle of the kernel, falling off in a straight line along each axis."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise Misfit(f"has a bilinear filler for a blob of shape {text(shape)}; want 4 axes and a square kernel")
    half = -(-shape[3] // 2)
    middle = (shape[3] - 1) / (2 * half)
    line = [1 - abs(i / half - middle) for i in range(shape[3])]
    return [[y * x for x in line] for y in line]


def _fan(filler: FillerParameter, shape: Shape) -> float:
    """The connections that xavier and msra divide by; a whole number but for AVERAGE."""
    fan_in = count(shape) // _rows(shape)
    fan_out = count(shape) // shape[1] if len(shape) > 1 else count(shape)
    return {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[filler.variance_norm]


def _rows(shape: Shape) -> int:
    """The first axis, which fillers take for the outputs."""
    if not shape or not count(shape):
        raise Misfit(f"has a filler that needs a first axis, for a blob of shape {text(shape)}")
    return shape[0]


_KINDS: dict[str, Callable[[FillerParameter, Shape, np.random.Generator], Any]] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "xavier": _xavier,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "bilinear": _bilinear,
}
