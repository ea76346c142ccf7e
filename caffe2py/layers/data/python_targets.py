"""The Python layers by which Faster R-CNN, R-FCN and MNC say what is to be learned. Their Python is never run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffe2py.layers.base import Emitter, Layer, Misfit, Shape, Term, top_count
from caffe2py.layers.utility.python import python_layer

MAKERS = (
    ("rpn.anchor_target_layer", "AnchorTargetLayer", "py-faster-rcnn"),
    ("rpn.proposal_target_layer", "ProposalTargetLayer", "py-faster-rcnn"),
    ("pylayer.anchor_target_layer", "AnchorTargetLayer", "MNC"),
    ("pylayer.proposal_target_layer", "ProposalTargetLayer", "MNC"),
)


@dataclass(frozen=True)
class PythonTargets(Layer):
    """Labels and weights for training, drawn from what the net proposes and from the boxes of a picture.

    A net that is deployed is without it. Those who read its first top, the regions of ProposalTargetLayer, then read
    its first bottom, the regions that the net proposes, by the name of the top.
    """

    trains = True
    outputs: int = top_count()

    def shapes(self, *bottoms: Shape) -> Sequence[Shape | None]:
        return [None] * self.outputs

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        raise Misfit("makes targets for training, which nobody can say here; want a net that is deployed")


for _module, _name, _fork in MAKERS:
    python_layer(_module, _name, bottoms=(1, None), tops=(1, None), fork=_fork)(
        type(_name, (PythonTargets,), {"__doc__": PythonTargets.__doc__, "__module__": __name__})
    )
