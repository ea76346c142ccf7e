"""Python text as a tree, by one thread at a time.

CPython's parser keeps the depth of the tree that it builds for the whole process, so that in Python 3.11 it fails now
and then where two threads are in it at once: "AST constructor recursion depth mismatch".
"""

from __future__ import annotations

import ast
from threading import Lock

_lock = Lock()


def module_of(text: str) -> ast.Module:
    """The statements of a text. Raises SyntaxError."""
    with _lock:
        return ast.parse(text)


def expression_of(text: str) -> ast.expr:
    """The one expression that a text is. Raises SyntaxError."""
    with _lock:
        return ast.parse(text, mode="eval").body
