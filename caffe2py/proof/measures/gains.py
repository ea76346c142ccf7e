"""How far a layer magnifies the errors it is given: what drift may be at a value where terms cancel.

A sum whose terms nearly cancel is small beside them, and so is right to fewer places than they are. Where a blob has
many values the largest of them sets the scale and this does not show; where it has one, as behind a global pooling of a
narrow net, it does. How much is measured: the net is run again, in float64, on inputs that are shaken a little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from caffe2py.graph import Node, Value
from caffe2py.proof.measures.measure import largest_difference, scale_of

SHAKE = 2.0**-16  # far above float64's rounding, far below what changes which way a ReLU goes
RUNS = 2  # a single value may by chance answer one shake hardly at all


def shaken(inputs: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The inputs with each value made larger by up to SHAKE of itself: away from 0, so that an index stays one."""
    for seed in range(RUNS):
        random = np.random.RandomState(seed)
        yield {blob: x.astype(np.float64) * (1 + SHAKE * random.random_sample(x.shape)) for blob, x in inputs.items()}


@dataclass
class Gains:
    """The answer of each value to the shaking, and the bars that follow from it, along one walk over a net."""

    found: dict[Value, float] = field(default_factory=dict)
    bars: dict[Value, float] = field(default_factory=dict)
    largest: float = 0.0  # the largest bar that rounding alone has set so far

    def add(self, node: Node, value: Value, exact: np.ndarray | None, shaken: Sequence[np.ndarray | None]) -> None:
        """Note how far a value moved, beside its own size."""
        scale = scale_of(exact) if shaken and exact is not None else 0.0
        if scale and exact is not None:
            moved = [largest_difference(x, exact) / scale for x in shaken if x is not None and x.shape == exact.shape]
            self.found[value] = max(moved, default=0.0)
        self.bars[value] = max([self.largest, *(self._handed_on(v, value) for v in node.bottoms)])

    def bar(self, node: Node, value: Value, rounding: float, lost: float = 0.0) -> float:
        """What drift may be at a value: errors add up along the net, and grow where the layer magnifies them.

        A bar is handed on from bottoms to tops, smaller where the layer shrinks errors; a layer that magnifies them
        raises what rounding has set so far, once. What long sums have `lost` is handed on where the shaking tells how
        much of it arrives.
        """
        self.largest = max(self.largest, rounding)
        before = max((self.found.get(v, 0.0) for v in node.bottoms), default=0.0)
        magnified = self.found.get(value, 0.0) / before if before else 1.0
        self.bars[value] = max(self.bars[value], self.largest * max(1.0, magnified), lost if self.found else 0.0)
        return max(self.bars[value], lost)

    def _handed_on(self, bottom: Value, top: Value) -> float:
        gain = self.found.get(bottom, 0.0)
        return self.bars.get(bottom, 0.0) * min(1.0, self.found.get(top, 0.0) / gain if gain else 1.0)
