"""Python layers: classes of the user's own modules, imported in this process and run as Caffe runs them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from caffe2py.layers.base import Count, Layer, Misfit, Params, Shape
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.layers.operator import Operator


class BlobVec(list[Blob]):
    """The learned blobs of a layer, or the bottoms or tops that a Python layer is handed: a list of blobs."""

    def add_blob(self, *shape: int, **settings: Any) -> None:
        """Add a blob of this shape."""
        if settings:
            raise RuntimeError("BlobVec.add_blob takes no kwargs")
        self.append(Blob(tuple(int(d) for d in shape)))


class PythonLayer:
    """The base of the user's classes, `caffe.Layer`: they say `setup`, `reshape`, `forward` and `backward`.

    `param_str` is the text of parameters in the prototxt, `phase` 0 in TRAIN and 1 in TEST, `blobs` what is learned.
    """

    param_str: str = ""
    phase: int = 1

    def __init__(self, param: Any) -> None:
        self.layer_param = param
        self.blobs = BlobVec()

    @property
    def type(self) -> str:
        """The layer's type, as in its prototxt."""
        return "Python"

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Called once, before the first `reshape`."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Called before each `forward`: give the tops their shapes."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Fill the data of the tops."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Fill the diff of the bottoms, and add to those of `blobs`."""


class Hosted(Layer):
    """A Python layer in a net: its class is imported and set up while the net is built, so that its shapes are known.

    The blobs that `setup` was handed become those of the net.
    """

    type = "Python"
    bottoms = Count(0, None)
    tops = Count(0, None)

    def __init__(self, message: Any) -> None:
        said = message.python_param
        try:
            found = getattr(importlib.import_module(said.module), said.layer)
        except (ImportError, AttributeError) as error:
            wish = "want its module where Python looks for it (PYTHONPATH)"
            raise Misfit(f"is {said.module}.{said.layer}, which cannot be imported: {error}; {wish}") from error
        made = found(message)
        if not isinstance(made, PythonLayer):
            raise TypeError(f"{said.module}.{said.layer} is no caffe.Layer; want a class that is made from it")
        made.param_str = said.param_str
        made.phase = int(message.phase)
        self.user = made
        self.top_blobs: list[Blob] = []
        self._places = [list(message.bottom).index(t) if t in message.bottom else None for t in message.top]

    @classmethod
    def read(cls, params: Params) -> Layer:
        return cls(params.message)

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        """Those that the user's `reshape` gives."""
        blobs = [Blob(shape) for shape in bottoms]
        self.top_blobs = [Blob() if place is None else blobs[place] for place in self._places]
        self.user.setup(BlobVec(blobs), BlobVec(self.top_blobs))
        self.user.reshape(BlobVec(blobs), BlobVec(self.top_blobs))
        return [top.shape for top in self.top_blobs]

    def weights(self, *bottoms: Shape) -> Mapping[str, Shape]:
        return {str(i): blob.shape for i, blob in enumerate(self.user.blobs)}

    def summary(self) -> str:
        return f"{type(self.user).__module__}.{type(self.user).__name__}"


class Python(Operator):
    """A layer that calls the user's code."""

    def reshape(self) -> None:
        self._user.reshape(BlobVec(self.bottoms), BlobVec(self.tops))

    def forward(self, record: bool) -> None:
        self.reshape()
        self._user.forward(BlobVec(self.bottoms), BlobVec(self.tops))

    def backward(self) -> None:
        self._user.backward(BlobVec(self.tops), list(self.propagate), BlobVec(self.bottoms))

    @property
    def _user(self) -> PythonLayer:
        layer = self.node.layer
        assert isinstance(layer, Hosted)
        return layer.user
