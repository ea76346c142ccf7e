"""Sums, products and comparisons of two or more values."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce as fold

import numpy as np

from caffe2py.frontends.caffe.arithmetic import Operand, add, divide, largest, multiply, power, smallest, subtract
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.onnx.node import Made, Node, operator

BINARY: dict[str, Callable[[Draft, Operand, Operand], Operand]] = {
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Max": largest,
    "Min": smallest,
    "Sum": add,
}


@operator(*BINARY)
def binary(node: Node, n: Draft) -> Made:
    """Any number of operands, two at a time; equal blobs are summed at once."""
    values = [node.value(i) for i in range(len(node.inputs))]
    for i, value in enumerate(values):
        if isinstance(value, Blob):
            node.blob(i)
    if node.op == "Div" and any(isinstance(v, Blob) and v.whole for v in values):
        raise Unsayable("divides whole numbers")
    if node.axpy and node.op in ("Add", "Sum") and len(values) == 2 and (gated := _axpy(n, *values)):
        return gated
    blobs = [v for v in values if isinstance(v, Blob)]
    if node.op in ("Sum", "Max") and len(blobs) == len(values) > 2 and len({b.shape for b in blobs}) == 1:
        return n.layer("Eltwise", *blobs, eltwise_param={"operation": "MAX" if node.op == "Max" else "SUM"})
    made = fold(lambda x, y: BINARY[node.op](n, x, y), values)
    if isinstance(made, Blob):
        made.whole = all(v.whole if isinstance(v, Blob) else not np.issubdtype(v.dtype, np.floating) for v in values)
    return made


def _axpy(n: Draft, x: Operand, y: Operand) -> Blob | None:
    """gate * x + y, where a Scale with a gate for each sample and channel made one of the two."""
    for product, other in ((x, y), (y, x)):
        if not isinstance(product, Blob) or not isinstance(other, Blob) or product.shape != other.shape:
            continue
        scale = n.made_by(product, "Scale")
        if scale is None or len(scale.bottoms) != 2 or len(product.shape) != 4:
            continue
        body, gate = scale.bottoms
        flat = n.made_by(gate, "Flatten", "Reshape")
        gate = flat.bottoms[0] if flat is not None else gate
        if gate.shape in (product.shape[:2], (*product.shape[:2], 1, 1)):
            return n.layer("Axpy", gate, body, other)
    return None


@operator("Mod")
def mod(node: Node, n: Draft) -> Made:
    """Of the places of a pooling, which count on through the whole blob, those in their image."""
    places, size = n.numbered.get(node.blob(), (None, 0))
    if places is None or size != int(node.known(1, "divisor").reshape(-1)[0]):
        raise Unsayable("no layer of Caffe computes a remainder")
    return places


@operator("Mean")
def mean(node: Node, n: Draft) -> Made:
    values = [node.value(i) for i in range(len(node.inputs))]
    total = fold(lambda x, y: add(n, x, y), values)
    return power(n, total, scale=1 / len(values)) if isinstance(total, Blob) else total / len(values)
