"""FrcnnProposal: the regions that Faster R-CNN proposes, by a layer in C++ whose limits stand in a file of its own."""

from __future__ import annotations

from caffe2py.layers.base import layer
from caffe2py.layers.detection.proposals.proposal import Proposal


@layer("FrcnnProposal", bottoms=(3, None), tops=(1, 2), fork="makefile/frcnn", formula=True)
class FrcnnProposal(Proposal):
    """As Proposal. The limits of the fork stand in a file that its program reads; here they stand in proposal_param.

    Without one they are those of py-faster-rcnn's test: 6000, 300, 0.7 and 16.
    """
