"""The Python layers by which published nets read their pictures and labels. Their Python is never run."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Layer, Shape
from caffe2py.layers.utility.python import python_layer

# FCN's, and those of Faster R-CNN, R-FCN and MNC.
READERS = (
    ("voc_layers", "VOCSegDataLayer"),
    ("voc_layers", "SBDDSegDataLayer"),
    ("nyud_layers", "NYUDSegDataLayer"),
    ("siftflow_layers", "SIFTFlowSegDataLayer"),
    ("pascalcontext_layers", "PASCALContextSegDataLayer"),
    ("roi_data_layer.layer", "RoIDataLayer"),
    ("mnc_data_layer.layer", "MNCDataLayer"),
    ("pylayer.mnc_data_layer", "MNCDataLayer"),
    ("pylayer.cfm_data_layer", "CFMDataLayer"),
)


class PythonData(Layer):
    """Its tops are the net's inputs, whose shapes the file does not tell."""

    def shapes(self, *bottoms: Shape) -> Sequence[Shape]:
        return ()


for _module, _name in READERS:
    python_layer(_module, _name, bottoms=0, tops=(1, None), is_input=True, fork="pycaffe")(
        type(_name, (PythonData,), {"__doc__": PythonData.__doc__, "__module__": __name__})
    )
