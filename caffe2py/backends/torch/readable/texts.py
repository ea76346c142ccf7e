"""Text with holes: for what a layer reads, for its modules and parameters, and for its whole numbers.

    nn.Conv2d(64, 256, 1, stride=2, bias=False)     nn.Conv2d(#, #, #{, stride=#}{, padding=#}..., bias=False)
    F.relu(x)                                       F.relu(bottom 0)

Two layers that are equal but for whole numbers have one text with other numbers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from caffe2py.backends.torch.writing.layout import split_arguments
from caffe2py.backends.torch.writing.syntax import expression_of

# What stands for a layer's bottom or member while its text is made: letters that no name has.
OPEN, CLOSE = "\ue000", "\ue001"
PADDED = "\ue002"  # the place of a pooling's padding, before its number
POOLING = re.compile(r"(F\.(?:max|avg)_pool2d\([^(),]*, \d+, \d+)(?:, padding=(\d+))?(?=[,)])")
# What says nothing where a pooling goes on by single places: sizes are whole then.
ROUNDING = re.compile(r"(F\.(?:max|avg)_pool2d\([^(),]*, [^(),]*, 1(?:, padding=[^(),]*)?), ceil_mode=True")
TOKEN = re.compile(
    r"(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    rf"|(?P<hole>{OPEN}[bm]\d+{CLOSE})|(?P<number>(?<![\w.{OPEN}])\d+(?![\w.]))|(?P<padded>{PADDED}\d+)"
)
# Settings of modules that are left out where they have these values.
DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
ROLES = {
    "nn.Conv": ("in_channels", "out_channels", "kernel_size"),
    "nn.Linear": ("in_features", "out_features"),
    "nn.BatchNorm": ("channels",),
    "nn.PReLU": ("channels",),
}


@dataclass(frozen=True)
class Hole:
    """The place of bottom ("b") or member ("m") number `index`."""

    kind: str
    index: int


@dataclass(frozen=True)
class Number:
    """The place of a whole number: what it is, what is written before it, and the value for which both are left out."""

    value: int
    role: str = ""
    before: str = ""
    default: int | None = None


Word = str | Hole | Number
Text = tuple[Word, ...]


def hole(kind: str, index: int) -> str:
    return f"{OPEN}{kind}{index}{CLOSE}"


@lru_cache(maxsize=1 << 12)
def parsed(text: str) -> Text:
    """Text in which holes and whole numbers are told from the rest."""
    if re.match(r"nn\.Conv(Transpose)?\dd\(", text):
        return _convolution(text)
    text = POOLING.sub(lambda found: f"{found[1]}{PADDED}{found[2] or 0}", text)
    roles = next((names for start, names in ROLES.items() if text.startswith(start)), ())
    pieces: list[Word] = []
    numbers = 0
    for kind, found in _tokens(text):
        if kind == "number":
            keyword = re.search(r"(\w+)=$", pieces[-1]) if pieces and isinstance(pieces[-1], str) else None
            role = keyword[1] if keyword else roles[numbers] if numbers < len(roles) else ""
            pieces.append(Number(int(found), role))
            numbers += 1
        elif kind == "padded":
            pieces.append(Number(int(found.removeprefix(PADDED)), "padding", ", padding=", 0))
        elif kind == "hole":
            pieces.append(Hole(found[1], int(found[2:-1])))
        else:
            pieces.append(found)
    return tuple(pieces)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with what it is; strings are text, whatever they say."""
    end = 0
    for found in TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind != "string":
            if text[end : found.start()]:
                yield "text", text[end : found.start()]
            yield kind, found[0]
            end = found.end()
    if text[end:]:
        yield "text", text[end:]


def _convolution(text: str) -> Text:
    """A convolution with a place for each setting, those too that it leaves out."""
    start = text.index("(") + 1
    words = split_arguments(text[start:-1])
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    sizes = [word for word in words if "=" not in word]
    pieces: list[Word] = [text[:start]]
    for i, (word, role) in enumerate(zip(sizes, ROLES["nn.Conv"], strict=True)):
        pieces += ([", "] if i else []) + [replace(p, role=role) if isinstance(p, Number) else p for p in parsed(word)]
    for name, default in DEFAULTS.items():
        word = settings.pop(name, str(default))
        if word.isdigit():
            pieces.append(Number(int(word), name, f", {name}=", default))
        else:
            pieces += [f", {name}=", *(replace(p, role=name) if isinstance(p, Number) else p for p in parsed(word))]
    pieces += [f", {name}={word}" for name, word in settings.items()]
    return (*pieces, ")")


def key(text: Text) -> tuple[Hashable, ...]:
    """The text without its numbers' values: equal for texts that are equal but for them."""
    return tuple((p.role, p.before, p.default) if isinstance(p, Number) else p for p in text)


def numbers(text: Text) -> list[Number]:
    return [p for p in text if isinstance(p, Number)]


def written(text: Text, values: Sequence[str], fill: Callable[[Hole], str]) -> str:
    """The text with these words for its numbers, and its holes filled."""
    rest = iter(values)
    words = []
    for piece in text:
        if isinstance(piece, Number):
            value = next(rest)
            words.append("" if value == str(piece.default) else f"{piece.before}{value}")
        else:
            words.append(fill(piece) if isinstance(piece, Hole) else piece)
    return ROUNDING.sub(r"\1", "".join(words))


def plain(text: Text, fill: Callable[[Hole], str]) -> str:
    """The text with its own numbers."""
    return written(text, [str(n.value) for n in numbers(text)], fill)


def is_primary(text: str) -> bool:
    """Is it a name or a call, to which nothing can be added without brackets?"""
    kinds = (ast.Call, ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.List, ast.Tuple)
    return isinstance(expression_of(text), kinds)
