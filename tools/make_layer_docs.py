"""Write docs/layers.md, an entry for each layer type of the registry: ``python -m tools.make_layer_docs``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from caffe2py.layers.base import Layer, Several, layer_types, schema_default
from caffe2py.layers.data.data import Source
from caffe2py.layers.utility.python import Python
from caffe2py.proto.schema import LAYER, field_default

PAGE = Path(__file__).parent.parent / "docs" / "layers.md"

HEAD = """# Layer types

Written by `python -m tools.make_layer_docs` from the classes in `caffe2py/layers`: what each computes, how many
blobs it reads and makes, and the fields of its prototxt with Caffe's own defaults. A type that is not here is an
opaque layer: it is read, shown and keeps its weights, and [a class of your own](custom-layers.md) makes it run.

*Fork*: whose it is, where it is not Caffe's own. *torch*: it runs, and can be said as PyTorch source. *ONNX*: it can be
said in ONNX; what only training needs is left out. *Gradient*: by autograd through that source, and the one that Caffe
computes. *Checked*: against values that Caffe or the fork itself made (record), or against its formula in numpy
(formula), where nobody could run the fork.
"""


def page() -> str:
    """The whole page."""
    named = sorted(layer_types().items(), key=lambda t: (t[0].lower(), t[0]))
    types = [(name, cls) for name, cls in named if is_ours(name, cls)]
    rows = [row(name, meant) for name, c in types for meant in meanings(c)]
    heads = ("type", "fork", "torch", "ONNX", "gradient", "checked")
    table = "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows])
    return "\n".join([HEAD, table, "", *(entry(name, c) for name, c in types)])


def meanings(cls: type[Layer]) -> Sequence[type[Layer]]:
    """What a type's name means: one thing, or several."""
    return cls.meanings if issubclass(cls, Several) else (cls,)


def row(name: str, cls: type[Layer]) -> str:
    anchor = re.sub(r"[^\w-]", "", name.lower().replace(" ", "-"))
    cells = (f"[{name}](#{anchor})", cls.fork, torch(cls), onnx(cls), gradient(cls), checked(cls))
    return f"| {' | '.join(cells)} |"


def checked(cls: type[Layer]) -> str:
    """What is no layer of a net that runs computes nothing that could be checked."""
    return "-" if torch(cls) not in ("yes", "no") else "formula" if cls.formula else "record"


def is_ours(name: str, cls: type[Layer]) -> bool:
    """Is it a type of ours, or a Python layer that we know by its module and class?"""
    return cls.__module__.startswith("caffe2py.layers.") and (name == cls.type or cls.type == "Python")


def entry(name: str, cls: type[Layer]) -> str:
    """One type: its docstring, its counts of blobs, its fields, for each of its meanings."""
    lines = [f"## {name}", ""]
    if issubclass(cls, Several):
        lines += ["```text", inspect.getdoc(cls) or "", "```", ""]
    return "\n".join([*lines, *(line for meant in meanings(cls) for line in described(meant))]).rstrip() + "\n"


def described(cls: type[Layer]) -> Iterator[str]:
    yield from ([f"{cls.fork or 'Caffe'}:", ""] if cls.one_of else [])
    yield from ("```text", inspect.getdoc(cls) or "", "```", "")
    tops = "as many as bottoms" if cls.same_count else str(cls.tops)
    yield f"Bottoms: {cls.bottoms}. Tops: {tops}.{' A loss: weight 1 where none is given.' if cls.is_loss else ''}"
    yield from ("", *(f"`{message} {{ {' '.join(fields(message))} }}`  " for message in messages(cls)))
    said = list(fork_fields(cls))
    yield from ([f"The fork's: `{' '.join(said)}`  "] if said else [])
    yield ""


def fork_fields(cls: type[Layer]) -> Iterator[str]:
    """The fields that Caffe's own schema does not have, with their defaults: `order: ...`."""
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        path = f.metadata.get("path")
        if path and schema_default(path) is None and not known(path):
            default = f.default
            value = "..." if default in (None, (), "") else str(default).lower() if type(default) is bool else default
            yield f"{path}: {value}"


def known(path: str) -> bool:
    """Has Caffe's own schema this field?"""
    message: Any = LAYER
    for step in path.split("."):
        field = message.fields_by_name.get(step) if message is not None else None
        if field is None:
            return False
        message = field.message_type
    return True


def messages(cls: type[Layer]) -> Iterator[str]:
    """The messages of LayerParameter that the type reads: those of its fields, and the one with its file's name."""
    named = f"{cls.__module__.rpartition('.')[2]}_param"
    paths = [f.metadata.get("path") for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    found = dict.fromkeys([named, *(path.split(".")[0] for path in paths if path)])
    if issubclass(cls, Source):
        found["transform_param"] = None
    yield from (message for message in found if message in LAYER.fields_by_name and any(fields(message)))


def fields(message: str) -> Iterator[str]:
    """`stride: 1`, the field with its default; `pad: ...` for one that has none, or is repeated."""
    kind = LAYER.fields_by_name[message].message_type
    for field in kind.fields if kind else ():
        if field.name == "engine":
            continue  # which of Caffe's implementations runs: the values are the same
        default = field_default(f"{message}.{field.name}")
        if isinstance(default, bool):
            default = str(default).lower()
        value = "..." if default in (None, (), "") else f"{default:g}" if isinstance(default, float) else default
        yield f"{field.name} {{ }}" if field.message_type else f"{field.name}: {value}"


def torch(cls: type[Layer]) -> str:
    for word, is_so in (("an input", cls.is_input), ("left out", cls.trains), ("when registered", cls is Python)):
        if is_so:
            return word
    return "yes" if cls.torch is not Layer.torch else "no"


def onnx(cls: type[Layer]) -> str:
    return torch(cls) if torch(cls) not in ("yes", "no") else "yes" if cls.onnx is not Layer.onnx else "no"


def gradient(cls: type[Layer]) -> str:
    """Is there one? Not without tops, and not where there is nothing that it could flow into."""
    into = cls.bottoms.high != 0 or cls.weights is not Layer.weights
    flows = cls.tops.high != 0 and into and "No gradient" not in (cls.__doc__ or "")
    return "yes" if torch(cls) == "yes" and flows else "-"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
