"""The messages that the page of errors lists, in families: every one that the package raises, read from its sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "caffe2py"
MARK = re.compile(r"^<!-- messages: (.*?) -->$", re.MULTILINE)
KINDS = ("CaffeError", "Misfit", "WireError")  # and all that is called SOMETHINGError of ours
REST = "..."


@dataclass(frozen=True)
class Raise:
    """A message that is raised: the module, below the package, and the text with `...` for what differs."""

    module: str
    message: str


def filled(page: str) -> str:
    """A page with the messages of a family where its mark stands."""
    found, families = raises(), marked(page)
    return MARK.sub(lambda m: _list([r for r in found if family_of(r.module, families) == m[1]]), page)


def marked(markdown: str) -> Mapping[str, Sequence[str]]:
    """The families of a page: what stands in the mark, and the paths in it."""
    return {mark: mark.split() for mark in MARK.findall(markdown)}


def family_of(module: str, families: Mapping[str, Sequence[str]]) -> str | None:
    """The family of a module: the one with the longest path that it lies in."""
    fitting = [(len(path), mark) for mark, paths in families.items() for path in paths if _inside(module, path)]
    return max(fitting)[1] if fitting else None


def raises() -> list[Raise]:
    """Every message that a module of the package raises as an error of ours."""
    kinds = {*KINDS, *_error_classes()}
    return [
        Raise(path.relative_to(PACKAGE).as_posix(), message)
        for path in sorted(PACKAGE.rglob("*.py"))
        for message in _messages(ast.parse(path.read_text(encoding="utf-8")), kinds)
    ]


def _error_classes() -> set[str]:
    tree = ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Error")}


def _messages(tree: ast.AST, kinds: set[str]) -> Iterator[str]:
    facts = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            words = [a for a in node.args if not (isinstance(a, ast.Name) and a.id in kinds)]
            if words and (name in kinds or (name == "error" and len(words) < len(node.args))):
                said = [text for text in (_text(word, facts) for word in words) if re.search(r"[a-z]{2}", text)]
                yield said[0] if said else REST


def _text(node: ast.AST, facts: Mapping[str, ast.AST]) -> str:
    """What an expression says, with `...` for what is not known before it is run."""
    if isinstance(node, ast.Constant):
        return str(node.value) if isinstance(node.value, str) else REST
    if isinstance(node, ast.JoinedStr):
        return re.sub(r"(\.\.\.)+", REST, "".join(_text(part, facts) for part in node.values))
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, facts) if isinstance(node.value, ast.Constant) else _named(node.value, facts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, facts) + _text(node.right, facts)
    return _named(node, facts)


def _named(node: ast.AST, facts: Mapping[str, ast.AST]) -> str:
    value = facts.get(node.id) if isinstance(node, ast.Name) else None
    rest = {name: fact for name, fact in facts.items() if not (isinstance(node, ast.Name) and name == node.id)}
    return _text(value, rest) if isinstance(value, ast.JoinedStr | ast.Constant) else REST


def _inside(module: str, path: str) -> bool:
    return module == path or module.startswith(f"{path}/")


def _list(found: Sequence[Raise]) -> str:
    said = sorted({r.message.strip() for r in found if r.message.strip(" .:") not in ("", "...")}, key=str.lower)
    lines = "\n".join(f"- `{' '.join(message.replace('`', chr(39)).split())}`" for message in said)
    return f'<details markdown="1"><summary>{len(said)} messages</summary>\n\n{lines}\n\n</details>'
