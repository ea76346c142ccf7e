"""Proposal: the regions that Faster R-CNN proposes, by a layer in C++."""

from __future__ import annotations

from caffe2py.layers.base import layer, param
from caffe2py.layers.detection.proposals.proposing import RATIOS, SCALES, Proposing


@layer("Proposal", bottoms=(3, None), tops=(1, 2), fork="Faster R-CNN", formula=True)
class Proposal(Proposing):
    __doc__ = f"{Proposing.__doc__}\n    The formula of Ren et al. 2015, by the parameters of proposal_param.\n    "

    feat_stride: int = param("proposal_param.feat_stride", 16)
    base_size: int = param("proposal_param.base_size", 16)
    min_size: int = param("proposal_param.min_size", 16)
    ratio: tuple[float, ...] = param("proposal_param.ratio", RATIOS)
    scale: tuple[float, ...] = param("proposal_param.scale", SCALES)
    pre_nms_topn: int = param("proposal_param.pre_nms_topn", 6000)
    post_nms_topn: int = param("proposal_param.post_nms_topn", 300)
    nms_thresh: float = param("proposal_param.nms_thresh", 0.7)
