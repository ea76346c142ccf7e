"""DummyData: blobs made of nothing but fillers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Params, Shape, Term, layer, one_each
from caffe2py.layers.base.filler import FillerParameter

if TYPE_CHECKING:
    import numpy as np


@layer("DummyData", bottoms=0, tops=(1, None))
class DummyData(Layer):
    """Each top as its data_filler says: a constant, or numbers drawn once, from a seed of the layer's name.

    Caffe draws anew in each pass. Without data_filler Caffe's tops are 0; here they are inputs of the net.
    Source: dummy_data_layer.cpp.
    """

    given: tuple[Shape, ...] = ()
    data_fillers: tuple[FillerParameter, ...] = ()
    seed: int = 0

    @classmethod
    def read(cls, params: Params) -> Layer:
        outputs = len(params.message.top)
        messages = params.all("dummy_data_param.data_filler")
        fillers = one_each("data_filler", [FillerParameter.read(m) for m in messages], outputs)
        words = ("num", "channels", "height", "width")
        legacy = [params.all(f"dummy_data_param.{w}") for w in words]
        shapes = [tuple(shape.dim) for shape in params.all("dummy_data_param.shape")]
        if any(legacy):
            if shapes:
                raise Misfit("gives both shape and num, channels, height, width; want one of the two")
            if not all(legacy):
                raise Misfit("leaves out a size; want num, channels, height and width")
            shapes = list(zip(*(one_each(w, v, outputs) for w, v in zip(words, legacy, strict=True)), strict=True))
        given = one_each("shape", shapes, outputs)
        if not given:
            raise Misfit("gives no shape; want one for all tops, or one for each")
        seed = zlib.crc32(params.message.name.encode("utf-8", "surrogateescape"))
        return (cls if fillers else DummyInput)(given, fillers, seed)  # type: ignore[call-arg]

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return self.given

    def draws(self, phase: str) -> bool:
        return any(f.type not in ("constant", "bilinear") for f in self.data_fillers)

    def values(self) -> list[np.ndarray]:
        """One array for each top; a constant as a single number."""
        import numpy as np  # here, so that a net can be shown without it

        rng = np.random.default_rng(self.seed)
        fills = zip(self.data_fillers, self.given, strict=True)
        return [f.array(() if f.type == "constant" else shape, rng) for f, shape in fills]

    def torch(self, em: Emitter, *bottoms: Term) -> Sequence[str]:
        names = [em.buffer(f"top{i}", value.shape, partial(_same, value)) for i, value in enumerate(self.values())]
        return [f"{name}.expand({shape})" for name, shape in zip(names, self.given, strict=True)]

    def onnx(self, g: Builder, *bottoms: Handle) -> Sequence[Handle]:
        tops = zip(self.values(), self.given, strict=True)
        return [g.constant(v, f"top{i}") if v.shape else g.full(shape, float(v)) for i, (v, shape) in enumerate(tops)]

    def summary(self) -> str:
        return ", ".join(dict.fromkeys(f.type for f in self.data_fillers))


class DummyInput(DummyData):
    """DummyData without fillers: inputs of the net."""

    is_input = True


def _same(value: np.ndarray, blobs: Sequence[np.ndarray]) -> np.ndarray:
    return value
