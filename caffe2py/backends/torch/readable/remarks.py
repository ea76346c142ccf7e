"""Comments in the readable file, where Caffe does what its reader would take for a mistake."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import takewhile

from caffe2py.backends.torch.writing.syntax import module_of

# What is said above the first statement with such a call: how its name begins, a setting it has, one that it lacks.
REMARKS = {
    ("BatchNorm", "momentum", ""): "Caffe's moving_average_fraction is 1 - momentum.",
    ("max_pool", "ceil_mode", ""): "Caffe rounds pooled sizes up.",
    ("avg_pool", "ceil_mode", ""): "Caffe rounds pooled sizes up.",
    ("avg_pool", "padding", "count_include_pad"): "As in Caffe, the average counts the padding's zeros.",
    ("local_response_norm", "", ""): "As in Caffe, alpha is divided by the size of the window.",
}


def remarked(lines: Sequence[str]) -> list[str]:
    """The lines of the file's classes, each remark once among them."""
    above: dict[int, list[str]] = {}
    said: set[str] = set()
    for line, call in _calls(module_of("\n".join(lines))):
        name, settings = ast.unparse(call.func).rpartition(".")[2], {word.arg for word in call.keywords}
        for (start, has, lacks), remark in REMARKS.items():
            if name.startswith(start) and settings >= {has} - {""} and lacks not in settings and remark not in said:
                said.add(remark)
                above.setdefault(line, []).append(remark)
    return [text for i, line in enumerate(lines, 1) for text in (*_comments(above.get(i, ()), line), line)]


def _calls(tree: ast.AST) -> Iterator[tuple[int, ast.Call]]:
    """All calls, in the order of the statements that they are in, each with that statement's line."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.Return)]
    for statement in sorted(statements, key=lambda node: node.lineno):
        yield from ((statement.lineno, node) for node in ast.walk(statement) if isinstance(node, ast.Call))


def _comments(remarks: Sequence[str], line: str) -> Iterator[str]:
    """Remarks as comments that stand as far to the right as a line."""
    indent = "".join(takewhile(str.isspace, line))
    return (f"{indent}# {remark}" for remark in remarks)
