"""Graph -> Graph: each pass is one plain function in a file of its own, and leaves its input as it was."""

from caffe2py.passes.drop_idle_layers import drop_idle_layers
from caffe2py.passes.merge_batch_norm import merge_batch_norm
from caffe2py.passes.only_outputs import only_outputs

# What the flat style does to a graph before it is written.
FLAT = (drop_idle_layers, merge_batch_norm)

__all__ = ["FLAT", "drop_idle_layers", "merge_batch_norm", "only_outputs"]
