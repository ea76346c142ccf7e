"""HDF5Output: a writer of blobs to a file."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Builder, Emitter, Handle, Layer, Misfit, Shape, Term, four, layer, text


@layer("HDF5Output", bottoms=2, tops=0)
class HDF5Output(Layer):
    """Writes its bottoms, data and label, to a file in Caffe, and nothing here. Source: hdf5_output_layer.cpp."""

    idle = True

    def shapes(self, data: Shape, label: Shape) -> Sequence[Shape]:
        if four(data)[:1] != four(label)[:1]:
            raise Misfit(f"writes data {text(data)} with labels {text(label)}; want one label for each sample")
        return ()

    def torch(self, em: Emitter, *bottoms: Term) -> Sequence[str]:
        return ()

    def onnx(self, g: Builder, *bottoms: Handle) -> Sequence[Handle]:
        return ()
