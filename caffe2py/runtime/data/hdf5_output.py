"""HDF5Output: a layer that writes its two bottoms to a file (hdf5_output_layer.cpp)."""

from __future__ import annotations

from typing import Any

from caffe2py.runtime.layers.operator import Operator


class Hdf5Output(Operator):
    """The data sets `data` and `label` of the file. Each pass adds its samples; the first one begins the file anew."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._begun = False

    def forward(self, record: bool) -> None:
        import h5py

        self.reshape()
        with h5py.File(self.node.message.hdf5_output_param.file_name, "a" if self._begun else "w") as file:
            for name, bottom in zip(("data", "label"), self.bottoms, strict=True):
                values = bottom.data
                if name not in file:
                    file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]), chunks=True)
                else:
                    held = file[name]
                    held.resize(len(held) + len(values), axis=0)
                    held[-len(values) :] = values
        self._begun = True
