"""What joins two values: a sum, or a gate's product."""

from __future__ import annotations

from caffe2py.structure.parts import Parts
from caffe2py.structure.tree import Item, Region


def is_gate(parts: Parts, item: Item) -> bool:
    """Is it a product of something with what is made of it by pooling, and by a sigmoid at last?"""
    if not isinstance(item, Region) or len(item.branches) != 2 or not _multiplies(parts, item.join):
        return False
    made = [branch for branch in item.branches if branch]
    if len(made) != 1 or len(made[0]) != 1:
        return False
    row = made[0][0]
    if not all(isinstance(each, int) for each in row):
        return False
    types = [parts.parts[each].node.type for each in row if isinstance(each, int)]
    types = [each for each in types if each not in ("Reshape", "Flatten")]
    return len(types) >= 4 and types[0] == "Pooling" and types[-1] == "Sigmoid"


def _multiplies(parts: Parts, i: int) -> bool:
    part = parts.parts[i]
    return part.step == 0 or part.node.type == "Scale" or getattr(part.node.layer, "operation", "") == "PROD"


def is_sum(parts: Parts, i: int) -> bool:
    """Does it add two values?"""
    part = parts.parts[i]
    plain = part.node.type == "Eltwise" and not getattr(part.node.layer, "coeff", ())
    return part.step == 1 or (plain and getattr(part.node.layer, "operation", "") == "SUM")
