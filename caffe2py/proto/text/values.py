"""What is written in a prototxt as a Python value, by the type that the schema gives the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from caffe2py.proto.names import decode_name
from caffe2py.proto.text.tokens import BLOCK, NUMBER, STRING, WORD, Field, shown

Convert = Callable[[Field], Any]


class Word(str):
    """A value that stands without quotes, such as an enum's."""

    __slots__ = ()


class Raw(bytes):
    """A field of a binary that no schema explains: its bytes, the tag among them."""

    __slots__ = ()


class Misfit(Exception):
    """What is written does not fit the field; the reader adds the place."""


_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}


def converter(field: FieldDescriptor) -> Convert | None:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return None
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return lambda f: _whole(f, low, high)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _bool
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        enum: Any = field.enum_type
        return lambda f: _enum(f, enum)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _bytes if field.type == FieldDescriptor.TYPE_BYTES else _string
    return _float


def plain_value(f: Field) -> object:
    """The value of a field without a schema."""
    if f.kind == STRING:
        return _string(f)
    if f.kind == WORD:
        return {"true": True, "True": True, "false": False, "False": False}.get(f.text, Word(f.text))
    return _integer(f.text) if _is_integer(f.text) else float(_bare(f.text).rstrip("fF"))


def said(f: Field) -> str:
    """What stands where another kind of value was due."""
    if f.kind == BLOCK:
        return "a block"
    return f"the text {shown(f.text)}" if f.kind == STRING else f'the {f.kind} "{shown(f.text)}"'


_MINUS = re.compile(r"-(?:\s|#[^\n]*)*")


def _bare(text: str) -> str:
    """A number without the blanks and comments that may stand behind its minus."""
    return f"-{_MINUS.sub('', text, count=1)}" if text[0] == "-" else text


def _is_integer(text: str) -> bool:
    text = _bare(text).lstrip("-")
    return text.isdecimal() or text[:2] in ("0x", "0X")


def _integer(text: str) -> int:
    """Decimal, 0x hexadecimal, or octal after a 0."""
    text = _bare(text)
    digits = text.lstrip("-")
    if len(digits) > 40:
        raise Misfit(f"{digits[:20]}... is no number that fits in 64 bits")
    try:
        value = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
    except ValueError:
        raise Misfit(f"{digits} is no octal number, which a 0 in front makes it; want it without the 0") from None
    return -value if text[0] == "-" else value


def _whole(f: Field, low: int, high: int) -> int:
    if f.kind != NUMBER or not _is_integer(f.text):
        raise Misfit(f"{f.name} is a whole number, not {said(f)}; want {f.name}: 1 or the like")
    value = _integer(f.text)
    if not low <= value <= high:
        raise Misfit(f"{f.name} {value} is out of range; want {low} to {high}")
    return value


def _float(f: Field) -> float:
    text = _bare(f.text) if f.kind in (NUMBER, WORD) else ""
    if f.kind == NUMBER:
        digits = text.lstrip("-")
        if not _is_integer(text) or digits[0] != "0":
            return float(text.rstrip("fF"))
        size = float(_integer(digits))  # 0, hexadecimal or octal
        return -size if text[0] == "-" else size
    if text.lstrip("-").lower() in ("inf", "infinity", "nan"):
        return float(text)
    raise Misfit(f"{f.name} is a number, not {said(f)}; want {f.name}: 0.5 or the like")


_BOOLS = {"true": True, "True": True, "t": True, "1": True, "false": False, "False": False, "f": False, "0": False}


def _bool(f: Field) -> bool:
    if f.kind == STRING or f.text not in _BOOLS:
        raise Misfit(f"{f.name} is yes or no, not {said(f)}; want true or false")
    return _BOOLS[f.text]


def _enum(f: Field, enum: EnumDescriptor) -> int:
    if f.kind == WORD and f.text in enum.values_by_name:
        return enum.values_by_name[f.text].number
    if f.kind == NUMBER and _is_integer(f.text):
        number = _integer(f.text)
        if number in enum.values_by_number:
            return number
    if f.kind == BLOCK:
        raise Misfit(f"{f.name} is a word, not a block; want one of {', '.join(enum.values_by_name)}")
    word = _string(f) if f.kind == STRING else f.text
    raise Misfit(f"{f.name} cannot be {shown(f.text)}; {_enum_wish(word, enum, quoted=f.kind == STRING)}")


def _enum_wish(word: str, enum: EnumDescriptor, quoted: bool) -> str:
    names = list(enum.values_by_name)
    close = [n for n in names if n == word] or close_names(word.upper(), names)
    if enum.name == "LayerType" and quoted:  # a layer of today's form in a block of 2014's
        return f"inside `layers` a type is a word{f' such as {close[0]}' if close else ''}; a quoted type wants `layer`"
    bare = " without quotes" if quoted else ""
    if close:
        return f"want {close[0]}{bare}" if close[0] == word else f"did you mean {close[0]}?"
    return f"want one of {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}{bare}"


def close_names(word: str, names: list[str], cutoff: float = 0.6) -> list[str]:
    """The names that somebody who wrote `word` may have meant, the closest first."""
    import difflib

    return difflib.get_close_matches(word, names, n=3, cutoff=cutoff)


_PIECE = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|\#[^\n]*", re.ASCII)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\'\"?])|(.?))", re.DOTALL
)
_LETTERS = dict(zip(b"abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?", strict=True))


def _string(f: Field) -> str:
    if f.kind == STRING and "\\" not in f.text and f.text.count(f.text[0]) == 2 and f.text[-1] == f.text[0]:
        return f.text[1:-1]
    return decode_name(_bytes(f))


def _bytes(f: Field) -> bytes:
    """The bytes that quoted text stands for; strings side by side are one."""
    if f.kind != STRING:
        raise Misfit(f'{f.name} is text, not {said(f)}; want {f.name}: "{"" if f.kind == BLOCK else shown(f.text)}"')
    pieces = "".join(m[1] or m[2] or "" for m in _PIECE.finditer(f.text))
    return _ESCAPE.sub(_unescape, pieces.encode("utf-8"))


def _unescape(m: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, letter, _ = m.groups()
    if octal:
        return bytes([int(octal, 8) & 255])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if letter:
        return bytes([_LETTERS[letter[0]]])
    code = int(short or long or b"110000", 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        shown = m[0].decode("utf-8", "replace")
        raise Misfit(f'"{shown}" is no escape that text in quotes knows; a backslash itself is written "\\\\"')
    return chr(code).encode()
