"""The graph of a net: what it is (`model`), how it is built (`build`, `weights`), how it prints (`table`)."""

from caffe2py.graph.model import Graph, Node, Value, Weight, layer_error

__all__ = ["Graph", "Node", "Value", "Weight", "layer_error"]
