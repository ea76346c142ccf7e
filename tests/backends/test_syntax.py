"""Texts as trees, by several threads at once, as when a bundle is made."""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from caffe2py.backends.torch.writing.syntax import expression_of, module_of

TEXT = "\n".join(f"x{i} = f(a[{i}], b=(c + d) * {i})" for i in range(300))


class Slow:
    """What gives another thread its turn when it is found to be garbage, which may be in the middle of anything."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        sum(range(50))


@pytest.fixture
def often() -> Iterator[None]:
    """Threads change often, and garbage goes at once."""
    before = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1)
    yield
    sys.setswitchinterval(before[0])
    gc.set_threshold(*before[1])


def test_threads_do_not_meet(often: None) -> None:
    def work(_: int) -> None:
        for _ in range(10):
            Slow()
            assert len(module_of(TEXT).body) == 300

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_an_expression() -> None:
    assert isinstance(expression_of("a + b"), ast.BinOp)
    for text in ("a = b", "a +"):
        with pytest.raises(SyntaxError):
            expression_of(text)
