"""Prototxts with variables, such as FlowNet's: ``dim: $ADAPTED_WIDTH$`` is filled in before it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from caffe2py.errors import PrototxtError
from caffe2py.proto.text.tokens import Source

# A comment, a text in quotes, or a variable; and a backslash elsewhere with what follows, so that many of them before
# quotes that never end are looked at once.
_PIECE = r"""\#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\\.|\$([A-Za-z_]\w*)\$"""
_VARIABLE = r"\$([A-Za-z_]\w*)\$"


def fill_template(text: str, file: str, values: Mapping[str, object]) -> str:
    """The text with each ``$NAME$`` replaced by its value; inside quotes too, where a value is given.

    Raises PrototxtError that lists every variable of the file, where one has no value, and for a value that the file
    has no use for.
    """
    bare: dict[str, int] = {}  # a variable outside of quotes, without which the text cannot be read: where it stands
    quoted: dict[str, int] = {}
    for piece in re.finditer(_PIECE, text) if "$" in text else ():
        if piece[1]:
            bare.setdefault(piece[1], piece.start())
        elif piece[0][0] != "#":
            for m in re.finditer(_VARIABLE, piece[0]):
                quoted.setdefault(m[1], piece.start() + m.start())
    if missing := [name for name in bare if name not in values]:
        names = ", ".join(bare)
        fact = f"${missing[0]}$ is a variable of a template"
        wish = f"want a value (--set NAME=VALUE) for each of its variables: {names}"
        raise PrototxtError(f"{fact}; {wish}", Source(file, text).place(bare[missing[0]]))
    for name in values:
        if name not in bare and name not in quoted:
            have = ", ".join(dict.fromkeys((*bare, *quoted))) or "none"
            raise PrototxtError(f"there is no variable ${name}$ in it; its variables: {have}", file)
    if not values:
        return text

    def value(m: re.Match[str]) -> str:
        return str(values.get(m[1], m[0]))

    return re.sub(_PIECE, lambda m: m[0] if m[0][0] == "#" else re.sub(_VARIABLE, value, m[0]), text)
