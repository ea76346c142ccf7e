"""HDF5Data: blobs from HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Layer, Params, Shape, layer


@layer("HDF5Data", bottoms=0, tops=(1, None), is_input=True)
class HDF5Data(Layer):
    """A top for each data set that it names, batch_size rows of each. Source: hdf5_data_layer.cpp."""

    batch_size: int = 0
    outputs: int = 1

    @classmethod
    def read(cls, params: Params) -> Layer:
        return cls(params.get("hdf5_data_param.batch_size", 0), len(params.message.top))  # type: ignore[call-arg]

    def shapes(self, *bottoms: Shape) -> Sequence[Shape | None]:
        return [None] * self.outputs

    def summary(self) -> str:
        return f"batches of {self.batch_size}"
