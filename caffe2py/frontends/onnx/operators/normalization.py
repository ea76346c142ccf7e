"""Normalisations with stored statistics, of each image alone, and over neighbouring channels."""

from __future__ import annotations

import numpy as np

from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.moves import reshape
from caffe2py.frontends.onnx.node import Made, Node, operator
from caffe2py.frontends.onnx.operators.comparison import nonzero


@operator("BatchNormalization")
def batch_normalization(node: Node, n: Draft) -> Made:
    x = node.blob()
    if node.attr("training_mode", 0):
        raise Unsayable("takes its statistics from the batch")
    if not node.attr("spatial", 1):
        raise Unsayable("has statistics for each place")
    scale, shift, mean, variance = (node.known(i, w) for i, w in enumerate(("scale", "B", "mean", "var"), 1))
    words = {"use_global_stats": True, "eps": node.attr("epsilon", 1e-5)}
    made = n.layer("BatchNorm", x, blobs=[mean, variance, np.ones(1, np.float32)], batch_norm_param=words)
    return n.layer("Scale", made, blobs=[scale, shift], scale_param={"bias_term": True})


@operator("InstanceNormalization", "GroupNormalization")
def instance_normalization(node: Node, n: Draft) -> Made:
    """Each channel (or group of them) of each image as a channel of one image, whose own statistics BatchNorm takes.

    MVN is not it: its eps stands behind the root.
    """
    x = node.blob()
    scale, shift = node.known(1, "scale"), node.known(2, "B")
    groups = node.attr("num_groups", x.shape[1])
    flat = reshape(n, x, (1, x.shape[0] * groups, int(np.prod(x.shape[1:])) // groups))
    words = {"use_global_stats": False, "eps": node.attr("epsilon", 1e-5)}
    empty = np.zeros(flat.shape[1], np.float32)
    made: Blob = n.layer("BatchNorm", flat, blobs=[empty, empty, np.zeros(1, np.float32)], batch_norm_param=words)
    made = reshape(n, made, x.shape)
    if scale.size != x.shape[1]:
        scale, shift = (np.repeat(v, x.shape[1] // groups) for v in (scale, shift))
    return n.layer("Scale", made, blobs=[scale, shift], scale_param={"bias_term": True})


@operator("LRN")
def lrn(node: Node, n: Draft) -> Made:
    size = node.attr("size")
    if size % 2 == 0:
        raise Unsayable(f"is over {size} channels; Caffe takes an odd number")
    words = {"local_size": size, "alpha": node.attr("alpha", 1e-4), "beta": node.attr("beta", 0.75)}
    return n.layer("LRN", node.blob(), lrn_param={**words, "k": node.attr("bias", 1.0)})


@operator("Dropout", "Identity")
def idle(node: Node, n: Draft) -> Made:
    """Nothing happens where a net is run; a mask of a Dropout is not made."""
    return node.value(0)


@operator("Cast", "CastLike")
def cast(node: Node, n: Draft) -> Made:
    """Every blob of Caffe is of floats. Whole numbers stay what they are; what is cut to them is marked."""
    import onnx

    x = node.value(0)
    assert isinstance(x, Blob)
    to = node.attr("to")
    if node.op == "CastLike" or to in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
        return node.blob()
    if to == onnx.TensorProto.FLOAT16 or to == onnx.TensorProto.BFLOAT16:
        return node.blob()
    if to == onnx.TensorProto.BOOL:
        return nonzero(n, x)
    return x if x.whole else Blob(x.shape, x.name, of=x.of or x)
