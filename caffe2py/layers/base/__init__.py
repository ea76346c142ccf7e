"""What every layer type has in common; a layer's file, of ours or of your own, imports all it needs from here.

`words` (shapes and what is wrong with them), `params` (what a prototxt says), `layer` (the base class), `views` (what
its torch and ONNX methods are handed), `registry` (every type by its name).
"""

from caffe2py.layers.base.affine import affine, affine_nodes
from caffe2py.layers.base.cleared import CLEARED, bias_alone, bias_alone_nodes, overtaken
from caffe2py.layers.base.fused import onnx_rectified, rectified
from caffe2py.layers.base.layer import Count, Filler, Layer
from caffe2py.layers.base.params import Params, optional, param, read_fields, schema_default, top_count, unsaid
from caffe2py.layers.base.registry import find_layer, layer, layer_types, meaning
from caffe2py.layers.base.several import Several
from caffe2py.layers.base.views import Builder, Convert, Emitter, FreeShape, Handle, Term
from caffe2py.layers.base.words import (
    LOWEST,
    Misfit,
    Shape,
    axis,
    count,
    deep,
    float32,
    four,
    one_each,
    plain,
    same,
    text,
)

__all__ = [
    "CLEARED",
    "LOWEST",
    "Builder",
    "Convert",
    "Count",
    "Emitter",
    "Filler",
    "FreeShape",
    "Handle",
    "Layer",
    "Misfit",
    "Params",
    "Several",
    "Shape",
    "Term",
    "affine",
    "affine_nodes",
    "axis",
    "bias_alone",
    "bias_alone_nodes",
    "count",
    "deep",
    "find_layer",
    "float32",
    "four",
    "layer",
    "layer_types",
    "meaning",
    "one_each",
    "onnx_rectified",
    "optional",
    "overtaken",
    "param",
    "plain",
    "read_fields",
    "rectified",
    "same",
    "schema_default",
    "text",
    "top_count",
    "unsaid",
]
