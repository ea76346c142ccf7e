"""A net as its prototxt tells it, in today's format, before any layer is understood."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caffe2py.errors import FileError, NetError, Place, PrototxtError
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.disk.looks import BINARY, looks_like
from caffe2py.proto.forks import OWN
from caffe2py.proto.names import decode_names
from caffe2py.proto.schema import LayerParameter, NetParameter, SolverParameter, V1LayerParameter, is_own_type
from caffe2py.proto.text.prototxt import Bound, LayerText, NetText, Unknown, bind
from caffe2py.proto.text.template import fill_template
from caffe2py.proto.text.tokens import BLOCK, MAX_BYTES, Field, Source, decode_text, read_fields, shown
from caffe2py.proto.text.values import Raw, close_names
from caffe2py.proto.upgrade.v1 import upgrade_net

if TYPE_CHECKING:
    from caffe2py.proto.weights.layers import Weights

__all__ = ["LayerText", "NetText", "net_from_message", "net_of", "parse_net", "read_net", "read_prototxt"]

LAYER_FIELDS: dict[str, Any] = {"layer": LayerParameter, "layers": V1LayerParameter}


def read_net(path: str | os.PathLike[str], variables: Mapping[str, object] | None = None) -> NetText:
    """Read a prototxt, upgraded to today's format; layers of every phase are in it.

    `variables` are the values of a template's, such as FlowNet's ``$ADAPTED_WIDTH$``. Raises FileError for a file that
    cannot be read or is no prototxt, PrototxtError and NetError for what Caffe refuses.
    """
    return parse_net(read_prototxt(path), os.fspath(path), variables)


def parse_net(text: str | bytes, file: str = "<text>", variables: Mapping[str, object] | None = None) -> NetText:
    """As `read_net`, from the text itself; `file` is the name for messages."""
    source = Source(file, fill_template(decode_text(text), file, variables or {}))
    fields = read_fields(source)
    _check(fields, source)
    layers = [
        bind(f.fields, LAYER_FIELDS[f.name](), source, source.place(f.at)) for f in fields if f.name in LAYER_FIELDS
    ]
    top = bind([f for f in fields if f.name not in LAYER_FIELDS], NetParameter(), source, Place(file))
    notes = unknown_notes([top], "nothing in caffe2py reads it")
    left_out: tuple[LayerText, ...] = ()
    if top.message.input and not top.message.input_dim and not top.message.input_shape:
        left_out = (LayerText(LayerParameter(type="Input", top=top.message.input), top.places["input"]),)
        named = listed([f'"{name}"' for name in top.message.input])
        notes += (
            f"{top.places['input']}: input {named} has no input_dim nor input_shape, and is left out, as in Caffe",
        )
    net = NetText(top.message.name, tuple(layers), top.message, notes, file, source.text, top.unknown)
    net = upgrade_net(replace(net, left_out=left_out), top.places)
    if top.unknown or any(layer.unknown or not is_own_type(layer.message.type) for layer in net.layers):
        from caffe2py.proto.dialects.naming import dialects_of  # here, so that a net of Caffe's own needs no forks

        net = replace(net, dialects=dialects_of(net.layers, net.unknown))
    return replace(net, notes=(*dialect_notes(net), *net.notes))


def net_of(weights: Weights, dialect: str | None = None) -> NetText:
    """The net that a caffemodel describes, upgraded to today's format, whichever fork wrote it.

    `dialect` names the fork, where somebody knows it. Raises CaffemodelError where the layers do not parse, or may mean
    several things; UnsupportedError for HDF5, which holds weights only.
    """
    from caffe2py.proto.dialects.binding import bound  # here, so that a prototxt can be read without numpy

    found = bound(weights, dialect)
    for layer in found.layers if found is not None else ():
        decode_names(layer.message)
    net = net_from_message(weights.net(), weights.file) if found is None else upgrade_net(found)
    return replace(net, notes=(*dialect_notes(net), *net.notes))


def net_from_message(message: Any, file: str) -> NetText:
    """The net of a caffemodel, with the same upgrades. Inputs without sizes, as old files have them, are dropped."""
    top = NetParameter()
    top.CopyFrom(message)
    decode_names(top)
    if top.layer and top.layers:
        raise NetError("both `layers` (the format of 2014) and `layer` (today's); want one of them", file)
    layers = tuple(LayerText(m, Place(file)) for m in (*top.layers, *top.layer))
    rest = NetParameter()
    rest.CopyFrom(top)
    rest.ClearField("layers")
    rest.ClearField("layer")
    return upgrade_net(NetText(top.name, layers, rest, (), file))


def read_prototxt(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a text file. FileError: it cannot be read, is empty, or is no text but a caffemodel or the like."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            head = file.read(1 << 16)
            _check_is_text(head, name)
            if (size := os.fstat(file.fileno()).st_size) > MAX_BYTES:
                raise PrototxtError(f"{size >> 20} MB of text; want at most {MAX_BYTES >> 20} MB", name)
            data = head + file.read(MAX_BYTES + 1 - len(head))
    except OSError as error:
        raise FileError(reason(error), name) from None
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise FileError("the file is empty; want a prototxt", name)
    return data


def _check_is_text(head: bytes, name: str) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileError("this text is UTF-16; want it saved as UTF-8", name)
    kind = looks_like(head) if head else "text"
    if kind is None:
        kind = "a caffemodel, or another binary file: swap the two if the other one is the prototxt"
    elif not BINARY.search(head) and (kind == "text" or kind.startswith("a prototxt")):
        return
    raise FileError(f"this is no prototxt but {kind}", name)


def _check(fields: Sequence[Field], source: Source) -> None:
    """Refuse what is no net: a solver, a misspelt layer, two formats in one, a layer that is no block, no layer."""
    first: dict[str, Field] = {}
    for f in fields:
        first.setdefault(f.name, f)
        if f.kind == BLOCK and f.name not in NetParameter.DESCRIPTOR.fields_by_name:
            for close in close_names(f.name, list(LAYER_FIELDS)):
                raise PrototxtError(f"a net has no {f.name}; did you mean {close}?", source.place(f.at))
        if f.name in LAYER_FIELDS and f.kind != BLOCK:
            raise PrototxtError(f"{f.name} is a block; want {f.name} {{ ... }}", source.place(f.value_at))
    if "layer" in first and "layers" in first:
        later = max(first["layer"].at, first["layers"].at)
        raise PrototxtError(
            "both `layers` (the format of 2014) and `layer` (today's) in one net; want one of them", source.place(later)
        )
    if "layer" in first or "layers" in first:
        return
    solver = [name for name in first if name in SolverParameter.DESCRIPTOR.fields_by_name]
    if any(name not in NetParameter.DESCRIPTOR.fields_by_name for name in solver):
        net = next((first[n] for n in ("net", "train_net", "test_net") if n in first), None)
        wish = f"want the net it names, {shown(net.text)}" if net else "want the net"
        raise PrototxtError(f"this is a solver, not a net; {wish}", source.file)
    raise PrototxtError('this net has no layer; want "layer { ... }"', source.file)


def dialect_notes(net: NetText) -> tuple[str, ...]:
    """A line on a net with a fork's fields: whose they are."""
    if net.dialects == (OWN,):
        return ()
    from caffe2py.proto.dialects.naming import is_a_forks

    whose = f"dialect is {net.dialects[0]}" if len(net.dialects) == 1 else f"dialects are {', '.join(net.dialects)}"
    fields = ((layer, u) for layer in net.layers for u in layer.unknown if not isinstance(u.value, Raw))
    blocks = {_stranger(layer.message, u.path) for layer, u in fields if is_a_forks(layer.message, u)}
    return (f"{net.file}: the {whose}{f' ({listed(sorted(blocks))})' if blocks else ''}",)


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first four where there are many."""
    return ", ".join(names) if len(names) < 6 else f"{', '.join(names[:4])} and {len(names) - 4} more"


def unknown_notes(bounds: Iterable[Bound], fact: str) -> tuple[str, ...]:
    """One line for each of their fields that no schema knows, however many layers have it; a block counts as one."""
    strangers = [(bound.message, unknown) for bound in bounds for unknown in bound.unknown]
    if not strangers:
        return ()
    from caffe2py.proto.dialects.naming import is_a_forks

    return told_fields([(m, u) for m, u in strangers if not is_a_forks(m, u)], fact)


def told_fields(fields: Iterable[tuple[Any, Unknown]], fact: str) -> tuple[str, ...]:
    """`PLACE: Caffe's schema has no PATH; FACT`: a line for each field of some messages, however many have it."""
    from caffe2py.proto.dialects.naming import strange_part

    found: dict[str, tuple[Any, Unknown, set[int]]] = {}
    for message, unknown in fields:
        path = strange_part(message, unknown.path)
        found.setdefault(path, (message, unknown, set()))[2].add(id(message))
    notes = []
    for path, (message, unknown, users) in found.items():
        many = f" ({len(users)} layers have it)" if len(users) > 1 else ""
        notes.append(f"{unknown.place}: Caffe's schema has no {path}{many}{_hint(message, path)}; {fact}")
    return tuple(notes)


def _stranger(message: Any, path: str) -> str:
    """A path as far as the first name on it that the schema does not know."""
    descriptor = message.DESCRIPTOR
    known: list[str] = []
    for step in path.split("."):
        known.append(step.partition("[")[0])
        field = descriptor.fields_by_name.get(known[-1])
        if field is None:
            break
        descriptor = field.message_type
    return ".".join(known)


def _hint(message: Any, path: str) -> str:
    """What the last name on a path may be a misspelling of."""
    descriptor = message.DESCRIPTOR
    *blocks, name = path.split(".")
    for block in blocks:
        if block not in descriptor.fields_by_name:
            return ""  # a fork's
        descriptor = descriptor.fields_by_name[block].message_type
    stems = {n.removesuffix("_param"): n for n in descriptor.fields_by_name}
    close = close_names(name.removesuffix("_param"), list(stems), cutoff=0.8)
    return f"; did you mean {stems[close[0]]}?" if close else ""
