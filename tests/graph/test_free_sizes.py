"""Sizes that are not known yet, and the proof that a dimension follows the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from caffe2py.errors import NetError
from caffe2py.graph import Value
from caffe2py.graph.free_sizes import NotFree, Size, free_shapes, with_batch
from tests.helpers.nets import SMALL, graph_of

N, M = Size.of({"N": 1}), Size.of({"M": 1})

SUMS: dict[str, tuple[Any, str]] = {
    "times": (3 * N * 2, "6*N"),
    "plus": (N + 2 * M + 1 + N, "M*2 + N*2 + 1"),
    "minus": (5 - N, "N*-1 + 5"),
    "minus itself": (N + 4 - N, "4"),
    "over a number": ((6 * N + 4) // 2, "3*N + 2"),
    "over itself": ((6 * N) // N, "6"),
    "rest": ((6 * N) % 3, "0"),
}


@pytest.mark.parametrize("name", SUMS)
def test_what_can_be_said(name: str) -> None:
    made, wanted = SUMS[name]
    numbers = {"N": 7, "M": 11}
    terms = dict(made.terms) if isinstance(made, Size) else {}
    value = sum(n * numbers[s] for s, n in terms.items()) + (made.rest if isinstance(made, Size) else made)
    assert value == eval(wanted, numbers)
    assert Size.of({"N": 2}) == N * 2 and N != 2 and N != M


REFUSED: dict[str, Callable[[], Any]] = {
    "a product of two": lambda: N * M,
    "a part": lambda: N // 2,
    "a quotient of two": lambda: N // M,
    "a true division": lambda: 1 / N,
    "a comparison": lambda: N > 1,
    "a range": lambda: list(range(N)),
    "an int": lambda: int(N),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_number_is_refused(name: str) -> None:
    with pytest.raises(NotFree, match=r"needs the number behind the free size"):
        REFUSED[name]()


def test_shapes_that_follow() -> None:
    found = free_shapes(graph_of(SMALL), {Value("data"): (0, "N")})
    assert found is not None and found[Value("pool")] == (N, 5, 1, 1) and found[Value("prob")] == (N, 4)


POOLED = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 5 dim: 4 } } }
layer { name: "r" type: "Reshape" bottom: "x" top: "r" reshape_param { shape { dim: 1 dim: 1 dim: -1 dim: 4 } } }
layer { name: "y" type: "Pooling" bottom: "r" top: "y" pooling_param { kernel_size: 2 stride: 2 } }"""


def test_a_size_that_does_not_grow_evenly_is_not_free() -> None:
    assert free_shapes(graph_of(POOLED), {Value("x"): (0, "N")}) is None
    assert free_shapes(graph_of(POOLED), {Value("x"): (1, "N")}) is None


def test_another_batch() -> None:
    graph = with_batch(graph_of(SMALL), 5)
    assert graph.inputs == {"data": (5, 3, 9, 7)} and graph.shapes[Value("prob")] == (5, 4)
    with pytest.raises(NetError, match=r'net "" has no input whose batch could be 2'):
        with_batch(graph_of('layer { name: "x" type: "Input" top: "x" input_param { shape { } } }'), 2)
