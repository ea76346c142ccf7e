"""LeNet and CaffeNet for training, on constant data: what a benchmark of solvers takes."""

from __future__ import annotations

from typing import Any

import caffe2py.pycaffe as caffe
from caffe2py.pycaffe import layers as L
from caffe2py.pycaffe import params as P

XAVIER = {"type": "xavier"}


def lenet(batch: int) -> str:
    """LeNet as Caffe's example has it (LeCun et al. 1998, with ReLU): 431,080 parameters."""
    n = _data(batch, (1, 28, 28))
    n.conv1 = L.Convolution(n.data, num_output=20, kernel_size=5, weight_filler=XAVIER)
    n.pool1 = L.Pooling(n.conv1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.conv2 = L.Convolution(n.pool1, num_output=50, kernel_size=5, weight_filler=XAVIER)
    n.pool2 = L.Pooling(n.conv2, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.ip1 = L.InnerProduct(n.pool2, num_output=500, weight_filler=XAVIER)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler=XAVIER)
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return _text("LeNet", n)


def caffenet(batch: int) -> str:
    """CaffeNet: AlexNet in one tower (Krizhevsky et al. 2012), pooled, then normalised; 60,965,224 parameters."""
    n = _data(batch, (3, 227, 227))
    top: Any = n.data
    for i, (outputs, settings) in enumerate(
        [
            (96, {"kernel_size": 11, "stride": 4}),
            (256, {"kernel_size": 5, "pad": 2, "group": 2}),
            (384, {"kernel_size": 3, "pad": 1}),
            (384, {"kernel_size": 3, "pad": 1, "group": 2}),
            (256, {"kernel_size": 3, "pad": 1, "group": 2}),
        ],
        1,
    ):
        top = n[f"conv{i}"] = L.Convolution(top, num_output=outputs, weight_filler=XAVIER, **settings)
        top = n[f"relu{i}"] = L.ReLU(top, in_place=True)
        if i in (1, 2, 5):
            top = n[f"pool{i}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
        if i in (1, 2):
            top = n[f"norm{i}"] = L.LRN(top, local_size=5, alpha=1e-4, beta=0.75)
    for i in (6, 7):
        top = n[f"fc{i}"] = L.InnerProduct(top, num_output=4096, weight_filler=XAVIER)
        top = n[f"relu{i}"] = L.ReLU(top, in_place=True)
        top = n[f"drop{i}"] = L.Dropout(top, dropout_ratio=0.5, in_place=True)
    n.fc8 = L.InnerProduct(top, num_output=1000, weight_filler=XAVIER)
    n.loss = L.SoftmaxWithLoss(n.fc8, n.label)
    return _text("CaffeNet", n)


def _data(batch: int, shape: tuple[int, ...]) -> Any:
    n = caffe.NetSpec()
    fillers = [{"type": "constant", "value": 0.5}, {"type": "constant", "value": 3}]
    n.data, n.label = L.DummyData(shape=[{"dim": [batch, *shape]}, {"dim": [batch]}], data_filler=fillers, ntop=2)
    return n


def _text(name: str, n: Any) -> str:
    net = n.to_proto()
    net.name = name
    return str(net)
