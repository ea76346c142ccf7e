"""What Caffe could say, and when.

Caffe's layers got the numbers of their blocks one after the other, so that one number tells how far a Caffe has come:
that of the last block it has. What has no number of its own has the one that was reached when it came. Sources:
caffe.proto of BVLC's releases and of the forks, in which "last added" names the block.
"""

from __future__ import annotations

from caffe2py.proto.names import v1_type_name
from caffe2py.proto.schema import LAYER, V1LayerParameter, block_of

V1 = 129  # the last of the blocks that the format of 2014 has too
NEWEST = 148
RELEASE = 146  # 1.0, of April 2017

# The last block of each Caffe that is behind the release 1.0, or before it; every other fork has come as far as that.
LAST = {
    "bvlc": NEWEST,
    "bvlc-2016": 142,
    "bvlc-2015": 130,
    "bvlc-2014": V1,
    "ctpn": 139,
    "deconvnet": V1,
    "happynear": 138,
    "hed": 131,  # [inferred: from the year]
    "lrcn": 133,
    "nvcaffe": 144,
    "nvcaffe014": 142,  # [inferred: from the year]
    "parsenet": 131,
    "pspnet": 142,
    "ren": 136,
    "segnet": 136,
    "yjxiong": 136,
}

# Types and fields without a number of their own. A field's second value is told by [1].
SINCE = {
    "mvn_param.eps": 130,
    "concat_param.axis": 131,
    "inner_product_param.axis": 131,
    "slice_param.axis": 131,
    "softmax_param.axis": 131,
    "dummy_data_param.shape": 131,
    "input_shape": 131,  # of the net, and shapes of any number of axes
    "Filter": 134,
    "argmax_param.axis": 139,
    "convolution_param.axis": 139,
    "convolution_param.force_nd_im2col": 139,
    "convolution_param.kernel_size[1]": 139,
    "convolution_param.pad[1]": 139,
    "convolution_param.stride[1]": 139,
    "BatchReindex": 140,
    "convolution_param.dilation": 140,
    "inner_product_param.transpose": 143,
    "LSTM": 146,
    "LSTMUnit": 146,
    "RNN": 146,
    "pooling_param.round_mode": 147,
}

_V1_TYPES = frozenset(map(v1_type_name, V1LayerParameter.LayerType.keys()))


def since(what: str) -> int:
    """The block that Caffe had come to when it got a layer type ("Clip") or a field ("concat_param.axis")."""
    if what in SINCE:
        return SINCE[what]
    if what in _V1_TYPES:
        return V1
    block = block_of(what) if what[0].isupper() else what.partition(".")[0]
    field = LAYER.fields_by_name.get(block or "")
    return field.number if field is not None else 0
