"""Protobuf's text format as a tree of fields, each with its place. Knows the grammar, nothing of Caffe's messages.

What protobuf's own reader accepts is accepted: ``name: {`` and ``name {`` and ``name <``, ``[a, b]`` lists, ``;`` and
``,`` after a field, comments, both kinds of quotes, strings side by side that become one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

from caffe2py import errors
from caffe2py.errors import Place, PrototxtError

MAX_DEPTH = 64  # Caffe's own messages nest five deep
MAX_BYTES = 8 << 20  # the largest prototxts known are under 1 MB

BLOCK, NUMBER, WORD, STRING = "block", "number", "word", "string"

_SPACE = r"(?:\s++|\#[^\n]*+)*+"
_QUOTED = r"""(?:"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+')"""
_NAME = r"[A-Za-z_]\w*+"
_SCALAR = rf"""
    (?P<number>(?:-{_SPACE})?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)(?![\w.]))
    |(?P<word>(?:-{_SPACE})?[A-Za-z_]\w*+)
    |(?P<string>{_QUOTED}(?:{_SPACE}{_QUOTED})*+)
"""
_FLAGS = re.VERBOSE | re.ASCII
_FIELD = re.compile(
    rf"""{_SPACE}(?:
        (?P<close>[}}>]){_SPACE}[;,]?
        |(?P<name>{_NAME}){_SPACE}(?P<colon>:?){_SPACE}(?:(?P<block>[{{<])|(?P<list>\[)|(?:{_SCALAR}){_SPACE}[;,]?)
    )""",
    _FLAGS,
)
_ITEM = re.compile(rf"{_SPACE}(?:(?P<block>[{{<])|{_SCALAR})", _FLAGS)
_AFTER_ITEM = re.compile(rf"{_SPACE}([,\]])", _FLAGS)
_END_LIST = re.compile(rf"{_SPACE}\]{_SPACE}[;,]?", _FLAGS)
_SKIP = re.compile(_SPACE, _FLAGS)
_HEAD = re.compile(rf"({_NAME}){_SPACE}(:?){_SPACE}", _FLAGS)
_TOKEN = re.compile(r"[\w.+-]+|.", re.ASCII | re.DOTALL)

_CLOSES = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class Source:
    """A text and the name of its file; tells the place of an offset."""

    file: str
    text: str

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(m.end() for m in re.finditer("\n", self.text))]

    def place(self, at: int) -> Place:
        line = bisect_right(self._lines, at)
        return Place(self.file, line, at - self._lines[line - 1] + 1)


@dataclass(slots=True)
class Field:
    """One ``name: value``. A block's fields stand in `fields`, any other value as it is written in `text`."""

    name: str
    kind: str  # BLOCK NUMBER WORD STRING
    text: str
    at: int  # offset of the name
    value_at: int  # offset of the value
    listed: bool = False  # came out of a [ ] list
    fields: list[Field] = field(default_factory=list)


def decode_text(text: str | bytes) -> str:
    r"""The text of a file. Bytes that are not UTF-8 become ``\xNN``, which in a quoted string means just that byte."""
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    return text.decode("utf-8", "backslashreplace").removeprefix("\ufeff")


def shown(text: str) -> str:
    """What is written, fit for a message; blanks and new lines in it are one blank."""
    return errors.shown(" ".join(text.split()), 40)


def read_fields(source: Source) -> list[Field]:
    """The fields of a text, in order. PrototxtError, with the place, where the text is none."""
    if len(source.text) > MAX_BYTES:
        raise PrototxtError(f"{len(source.text) >> 20} MB of text; want at most {MAX_BYTES >> 20} MB", source.file)
    return _Reader(source).read()


@dataclass
class _Open:
    """A block that is not closed yet; `list_at` is where the list that it is an item of opened."""

    field: Field
    close: str
    list_at: int = -1


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.root: list[Field] = []
        self.open: list[_Open] = []

    def read(self) -> list[Field]:
        match_field = _FIELD.match
        fields = self.root
        at = 0
        while m := match_field(self.text, at):
            kind = m.lastgroup
            at = m.end()
            if kind == "close":
                at = self._close(m.start("close"), at)
                fields = self._fields()
                continue
            name, start = m["name"], m.start("name")
            if kind == "list":
                at = self._items(name, start, m.start("list"), at, colon=bool(m["colon"]))
                fields = self._fields()
                continue
            assert kind is not None
            new = Field(name, kind, m[kind], start, m.start(kind))
            fields.append(new)
            if kind == BLOCK:
                self._push(new)
                fields = new.fields
            elif not m["colon"]:
                raise self._error(f'no ":" between {name} and its value; want {name}: {shown(m[kind])}', new.value_at)
        self._end(self._skip(at))
        return self.root

    def _fields(self) -> list[Field]:
        return self.open[-1].field.fields if self.open else self.root

    def _push(self, new: Field, list_at: int = -1) -> None:
        if len(self.open) == MAX_DEPTH:
            raise self._error(f"blocks nested more than {MAX_DEPTH} deep", new.value_at)
        self.open.append(_Open(new, _CLOSES[new.text], list_at))

    def _close(self, at: int, after: int) -> int:
        """Leave the innermost block; `at` is its closing brace. Where it was an item of a list, the list goes on."""
        if not self.open:
            raise self._error(f'this "{self.text[at]}" closes nothing', at)
        last = self.open.pop()
        if self.text[at] != last.close:
            opened = self.source.place(last.field.value_at)
            raise self._error(
                f'"{self.text[at]}" closes the block {last.field.name} that "{last.field.text}" opened at line '
                f'{opened.line}; want "{last.close}"',
                at,
            )
        if last.list_at < 0:
            return after
        return self._next_item(last.field.name, last.field.at, last.list_at, at + 1)

    def _items(self, name: str, start: int, list_at: int, at: int, colon: bool) -> int:
        """Read a list, up to the end or to the first block in it; `at` is behind its bracket."""
        if end := _END_LIST.match(self.text, at):
            return end.end()
        return self._item(name, start, list_at, at, colon)

    def _item(self, name: str, start: int, list_at: int, at: int, colon: bool = True) -> int:
        while m := _ITEM.match(self.text, at):
            kind = m.lastgroup
            assert kind is not None
            new = Field(name, kind, m[kind], start, m.start(kind), listed=True)
            self._fields().append(new)
            if kind == BLOCK:
                self._push(new, list_at)
                return m.end()
            if not colon:
                raise self._error(f'no ":" between {name} and its values; want {name}: [', list_at)
            if end := _END_LIST.match(self.text, m.end()):
                return end.end()
            at = self._comma(name, list_at, m.end())
        raise self._no_value(name, self._skip(at), f"a value of the list {name}")

    def _next_item(self, name: str, start: int, list_at: int, at: int) -> int:
        if end := _END_LIST.match(self.text, at):
            return end.end()
        return self._item(name, start, list_at, self._comma(name, list_at, at))

    def _comma(self, name: str, list_at: int, at: int) -> int:
        if not (after := _AFTER_ITEM.match(self.text, at)):
            at = self._skip(at)
            if at == len(self.text):
                raise self._error(f'the list {name} that opens here is never closed; want "]"', list_at)
            raise self._error(f'{self._token(at)} in the list {name}; want "," or "]"', at)
        return after.end()

    def _end(self, at: int) -> None:
        """`at` is where no field starts: the end of the text, or something wrong."""
        if at == len(self.text):
            if self.open:
                last = self.open[-1].field
                raise self._error(
                    f'the block {last.name} that opens here is never closed; want "{self.open[-1].close}"',
                    last.value_at,
                )
            return
        if head := _HEAD.match(self.text, at):
            raise self._no_value(head[1], head.end(), f"a value for {head[1]}" if head[2] else f'":" after {head[1]}')
        raise self._no_value("", at, "a field name")

    def _no_value(self, name: str, at: int, wish: str) -> PrototxtError:
        if at == len(self.text):
            return self._error(f"the file ends here; want {wish}", at)
        char = self.text[at]
        if char in "\"'" and not re.compile(_QUOTED, _FLAGS).match(self.text, at):
            return self._error(f"the text in quotes does not end on its line; want a closing {char}", at)
        if char in "0123456789.-" and wish.startswith("a value"):
            return self._error(f"{self._token(at)} is no number; want {wish} (text needs quotes)", at)
        return self._error(f"{self._token(at)} where {wish} is due", at)

    def _token(self, at: int) -> str:
        """What stands at an offset, for messages: a word, or one character, by its code where it does not print."""
        m = _TOKEN.match(self.text, at)
        assert m is not None
        token = m[0][:40]
        return f'"{token}"' if token.isprintable() and token.isascii() else f'"{token}" (U+{ord(token[0]):04X})'

    def _skip(self, at: int) -> int:
        m = _SKIP.match(self.text, at)
        assert m is not None
        return m.end()

    def _error(self, message: str, at: int) -> PrototxtError:
        return PrototxtError(message, self.source.place(at))
