"""The Python layers by which py-faster-rcnn and MNC propose regions. Their Python is never run."""

from __future__ import annotations

import re

from caffe2py.layers.base import Layer, Misfit, Params
from caffe2py.layers.detection.proposals.proposing import Proposing
from caffe2py.layers.utility.python import python_layer

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
PAIR = re.compile(rf"['\"]?(\w+)['\"]?\s*:\s*(?:!!\S+\s*)?(\[[^\]]*\]|\([^)]*\)|{NUMBER})")
WORDS = {
    "feat_stride": "feat_stride",
    "scales": "scale",
    "ratios": "ratio",
    "rpn_pre_nms_top_n": "pre_nms_topn",
    "rpn_post_nms_top_n": "post_nms_topn",
    "rpn_nms_thresh": "nms_thresh",
    "rpn_min_size": "min_size",
}


@python_layer("rpn.proposal_layer", "ProposalLayer", bottoms=3, tops=(1, 2), fork="py-faster-rcnn", formula=True)
class ProposalLayer(Proposing):
    """As Proposal, by what `param_str` says: "'feat_stride': 16", and 'scales' and 'ratios' of the anchors.

    The limits of the original stand in its own configuration; here they may be said beside the stride, by the names
    that they have there: 'rpn_pre_nms_top_n' (6000), 'rpn_post_nms_top_n' (300), 'rpn_nms_thresh' (0.7) and
    'rpn_min_size' (16), which are those of its test unless said otherwise. No gradient.
    """

    @classmethod
    def read(cls, params: Params) -> Layer:
        said = params.get("python_param.param_str", "")
        fields: dict[str, object] = {"outputs": max(len(params.message.top), 1)}
        for word, value in PAIR.findall(said):
            name = WORDS.get(word.lower())
            if name is None:
                continue  # of training
            numbers = [float(n) for n in re.findall(NUMBER, value)]
            if name in ("scale", "ratio"):
                fields[name] = tuple(numbers)
            else:
                fields[name] = numbers[0] if name == "nms_thresh" else int(numbers[0])
        if "feat_stride" not in fields:
            raise Misfit(f"says no feat_stride in its param_str {said!r}; want \"'feat_stride': 16\"")
        return cls(**fields)  # type: ignore[arg-type]


@python_layer("pylayer.proposal_layer", "ProposalLayer", bottoms=3, tops=(1, 2), fork="MNC", formula=True)
class MncProposalLayer(ProposalLayer):
    """As py-faster-rcnn's. No gradient. Source: lib/pylayer/proposal_layer.py of daijifeng001/MNC."""

    at_test = {3: (0, 1, 2)}  # its second top is for training: which of the anchors the regions are of
