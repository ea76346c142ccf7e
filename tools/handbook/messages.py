"""The messages that the page of errors lists, in families: every one that the package raises, read from its sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "caffe2py"
MARK = re.compile(r"^<!-- messages: (.*?) -->$", re.MULTILINE)
KINDS = ("CaffeError", "Misfit", "WireError", "Unsayable", "Fault", "Unknown")  # and all of errors.py
FACTS = ("fact", "message", "why")  # what a parameter that is put into a message is called
REST = "..."
MOST = 6  # ways in which one message may be said


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


@cache
def raises() -> tuple[Raise, ...]:
    """Every message that a module of the package raises as an error of ours."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    kinds = {*KINDS, *_error_classes(trees[PACKAGE / "errors.py"])}
    rooms: dict[str, set[str]] = {}
    for path, tree in trees.items():
        rooms.setdefault(_room(path), set()).update(carriers(tree, kinds))
    return tuple(
        Raise(path.relative_to(PACKAGE).as_posix(), message)
        for path, tree in trees.items()
        for message in messages(tree, kinds, rooms[_room(path)])
    )


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def _error_classes(tree: ast.AST) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name.endswith("Error")}


def carriers(tree: ast.AST, kinds: set[str]) -> set[str]:
    """The functions that make an error of a message that they are given: what they are called with is a message."""
    return {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and _raises(call, kinds, set())
        for argument in call.args
        if _put_in(argument) & {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
    }


def _put_in(argument: ast.AST) -> set[str]:
    """The names that an argument is, or that it puts into its text as what is to be told."""
    parts = argument.values if isinstance(argument, ast.JoinedStr) else []
    told = [p.value for p in parts if isinstance(p, ast.FormattedValue)] + [argument]
    return {node.id for node in told if isinstance(node, ast.Name) and node.id in FACTS}


def messages(tree: ast.AST, kinds: set[str], carrying: set[str]) -> Iterator[str]:
    """The messages of the errors that a module makes, `...` for those that are known when it runs alone."""
    known = _Known(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _raises(node, kinds, carrying):
            words = [a for a in node.args if not (isinstance(a, ast.Name) and a.id in kinds)]
            told = ([text for text in known.texts(word) if _is_said(text)] for word in words)
            yield from next(filter(None, told), [REST])


def _raises(call: ast.Call, kinds: set[str], carrying: set[str]) -> bool:
    """Is it a kind of error, or a function that makes one: of the kind that it is given, or of a message?"""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    given = any(isinstance(a, ast.Name) and a.id in kinds for a in call.args) and name.endswith("error")
    return bool(call.args) and (name in kinds or given or name in carrying)


def _is_said(text: str) -> bool:
    return re.search(r"[a-z]{2}", text) is not None


class _Known:
    """What is known of a module's expressions before it runs: the texts that each may be, with `...` for the rest."""

    def __init__(self, tree: ast.AST) -> None:
        self.values: dict[str, list[ast.AST]] = {}  # of names, and what functions return
        self.asked: list[str] = []  # names on the way
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.values.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.NamedExpr):
                self.values.setdefault(node.target.id, []).append(node.value)
            elif isinstance(node, ast.FunctionDef):
                returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return) and n.value]
                self.values.setdefault(f"{node.name}()", []).extend(returned)

    def texts(self, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else [REST]
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values)
        if isinstance(node, ast.FormattedValue):
            return self.texts(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right])
        if isinstance(node, ast.IfExp):
            return list(dict.fromkeys([*self.texts(node.body), *self.texts(node.orelse)]))
        if isinstance(node, ast.Call):  # what a function gives that is called, or handed over to be called
            called = [f"{f.id}()" for f in (node.func, *node.args) if isinstance(f, ast.Name)]
            return self._named(next((name for name in called if name in self.values), ""))
        return self._named(node.id) if isinstance(node, ast.Name) else [REST]

    def _joined(self, parts: Sequence[ast.AST]) -> list[str]:
        found = [""]
        for part in parts:
            texts = self.texts(part)
            several = len(found) * len(texts) <= MOST
            found = [head + text for head in found for text in (texts if several else [REST])]
        return [re.sub(r"(\.\.\.)+", REST, text) for text in found]

    def _named(self, name: str) -> list[str]:
        values = self.values.get(name, [])
        if name in self.asked or not values:
            return [REST]
        self.asked.append(name)
        found = dict.fromkeys(text for value in values for text in self.texts(value))
        self.asked.pop()
        return list(found) if len(found) <= MOST else [REST]


def _inside(module: str, path: str) -> bool:
    return module == path or module.startswith(f"{path}/")


def _list(found: Sequence[Raise]) -> str:
    said = sorted({r.message.strip() for r in found if r.message.strip(" .:") not in ("", "...")}, key=str.lower)
    lines = "\n".join(f"- `{' '.join(message.replace('`', chr(39)).split())}`" for message in said)
    return f'<details markdown="1"><summary>{len(said)} messages</summary>\n\n{lines}\n\n</details>'
