"""HDF5Output: a layer that writes its two bottoms to a file (hdf5_output_layer.cpp)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import reason
from caffe2py.runtime.layers.operator import Operator

if TYPE_CHECKING:
    import h5py


class Hdf5Output(Operator):
    """The data sets `data` and `label` of the file. Each pass adds its samples; the first one begins the file anew."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._begun = False

    def forward(self, record: bool) -> None:
        import h5py

        self.reshape()
        name = self.node.message.hdf5_output_param.file_name
        try:
            self._add(h5py.File(name, "a" if self._begun else "w"))
        except OSError as error:
            raise FileError(f"cannot write: {reason(error)}", name) from None
        self._begun = True

    def _add(self, opened: h5py.File) -> None:
        with opened as file:
            for name, bottom in zip(("data", "label"), self.bottoms, strict=True):
                values = bottom.data
                if name not in file:
                    file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]), chunks=True)
                else:
                    held = file[name]
                    held.resize(len(held) + len(values), axis=0)
                    held[-len(values) :] = values
