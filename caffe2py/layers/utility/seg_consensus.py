"""SegConsensus: what the segments of a video agree on."""

from __future__ import annotations

from caffe2py.layers.base import layer, param
from caffe2py.layers.utility.batch_reduction import Segments


@layer("SegConsensus", fork="yjxiong", formula=True)
class SegConsensus(Segments):
    """The mean over the segments, axis 1 of x (N, segments, ...), or what batch_reduction_param says instead.

    From Wang et al., Temporal Segment Networks (2016); the source was not at hand.
    """

    operation: str = param("batch_reduction_param.reduction_param.operation", "MEAN")
    axis: int = param("batch_reduction_param.reduction_param.axis", 1)
