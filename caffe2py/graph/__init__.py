"""The graph of a net: what it is (`model`, `node`), how it is built (`build`, `weights`), how it prints (`table`)."""

from caffe2py.graph.model import Graph
from caffe2py.graph.node import Node, Value, Weight, layer_error

__all__ = ["Graph", "Node", "Value", "Weight", "layer_error"]
