"""Lines of at most 88 letters, broken as Python's formatters break them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from caffe2py.backends.torch.writing.syntax import expression_of

WIDTH = 88
# A power of a name or number, which formatters write closed.
POWER = re.compile(r"(?<![\w.)\]])([\w.]+) \*\* (-?[\w.]+)(?![\w.(\[])")
STRING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
INDENT = 4


def laid_out(text: str, indent: int = 0, end: str = "") -> Iterator[str]:
    """A statement or an argument as lines; one that is too long is broken inside its last brackets, a comment not."""
    if text.startswith("#"):
        yield " " * indent + text
        return
    text = POWER.sub(r"\1**\2", text)
    line = " " * indent + text + end
    if len(line) <= WIDTH:
        yield line
        return
    found, inner = _brackets(text, WIDTH - indent), " " * (indent + INDENT)
    if terms := _terms(text):
        head, *rest = terms
        whole = inner + " ".join(rest)
        if len(whole) <= WIDTH or found is None or found[1] - found[0] + indent + INDENT > WIDTH:
            yield " " * indent + f"{head}("
            yield from [whole] if len(whole) <= WIDTH else [inner + term for term in rest]
            yield " " * indent + ")"
            return
    if found is None:
        yield line
        return
    start, stop = found
    yield " " * indent + text[: start + 1]
    inside = text[start + 1 : stop]
    if len(inside) + indent + INDENT <= WIDTH and not text[:start].endswith("nn.Sequential"):
        yield " " * (indent + INDENT) + inside
    elif len(words := split_arguments(inside)) == 1:
        yield from laid_out(words[0], indent + INDENT, "," if " for " not in words[0] else "")
    else:
        for word in words:
            yield from laid_out(word, indent + INDENT, ",")
    yield " " * indent + text[stop:] + end


def _terms(text: str) -> list[str]:
    """What a statement assigns to, and its terms, each with the operator before it; nothing if it has but one."""
    found = re.match(r"(return |[\w., ]+ = )(.*)", text)
    try:
        made = expression_of(found[2]) if found else None
    except SyntaxError:
        return []
    if found is None or not isinstance(made, ast.BinOp):
        chain = isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.value
        return [found[1], found[2]] if found and isinstance(chain, ast.Call) else []
    ends: list[int] = []
    sums = isinstance(made.op, ast.Add | ast.Sub)
    while isinstance(made, ast.BinOp) and isinstance(made.op, ast.Add | ast.Sub) == sums:
        ends.append(made.left.end_col_offset or 0)
        made = made.left
    cuts = [0, *sorted(ends), len(found[2])]
    return [found[1], *(found[2][a:b].strip() for a, b in pairwise(cuts))]


def _brackets(text: str, most: int) -> tuple[int, int] | None:
    """Where the last brackets open and close that hold something and stand in no others, within so many letters."""
    depth, stop, found, text = 0, -1, None, _without_strings(text)
    for i in reversed(range(len(text))):
        if text[i] in ")]}":
            stop = i if depth == 0 else stop
            depth += 1
        elif text[i] in "([{":
            depth -= 1
            if depth == 0 and stop > i + 1 and i < most:
                found = found or (i, stop)
    return found


def _without_strings(text: str) -> str:
    """The text with something else, as long, in place of what stands in quotes: no bracket of it counts."""
    return STRING.sub(lambda found: "_" * len(found[0]), text)


def split_arguments(text: str) -> list[str]:
    """The arguments of a call, as text."""
    found, depth, start = [], 0, 0
    for i, letter in enumerate(_without_strings(text)):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            found.append(text[start:i].strip())
            start = i + 1
    return [*found, text[start:].strip()] if text.strip() else []
