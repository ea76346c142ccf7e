"""A file of 2013 or 2014 written again in today's format: nets, solvers, and binary caffemodels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from caffe2py.errors import CaffeError, PrototxtError, UnsupportedError
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.disk.looks import looks_like
from caffe2py.proto.disk.pipes import settled
from caffe2py.proto.names import unique
from caffe2py.proto.net import parse_net, read_prototxt, unknown_notes
from caffe2py.proto.schema import NetParameter, SolverParameter
from caffe2py.proto.text.prototxt import parse_text
from caffe2py.proto.text.template import fill_template
from caffe2py.proto.text.tokens import Source, decode_text, read_fields
from caffe2py.proto.text.writer import format_message, format_net
from caffe2py.proto.upgrade.v1 import upgrade_solver

Path = str | os.PathLike[str]
KEPT = "it is kept as it is"


@dataclass(frozen=True)
class Upgraded:
    """What `upgrade` wrote: kind is "net", "solver" or "caffemodel"; notes tell what was changed, and what it left."""

    kind: str
    notes: tuple[str, ...]


def upgrade(
    old: Path, out: Path, dialect: str | None = None, variables: Mapping[str, object] | None = None
) -> Upgraded:
    """Write a prototxt, a solver or a binary caffemodel of any age as `out`, in today's format, as Caffe upgrades it.

    What a file is is told by its content. Blobs go over bit for bit and are never all in memory. Comments of a text
    are not kept. A caffemodel of a fork keeps the fork's numbers, and what no schema explains; `dialect` names the fork
    where the file alone does not tell, `variables` are a template's. Raises `CaffeError` with the place for what cannot
    be read; `out` appears whole or not at all.
    """
    old = settled(old)
    if _is_binary(old):
        return _upgrade_caffemodel(old, out, dialect)
    name = os.fspath(old)
    text = fill_template(decode_text(read_prototxt(old)), name, variables or {})
    made, written = _upgraded_solver(text, name) if _is_solver(text, name) else _upgraded_net(text, name)
    with written_whole(out) as temporary:
        temporary.write_bytes(written.encode("utf-8", "surrogateescape"))
    return made


def _is_binary(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False  # the reader of prototxts tells why
    return bool(head) and looks_like(head) in (None, "an HDF5 file") and head[:2] not in (b"\xff\xfe", b"\xfe\xff")


def _is_solver(text: str, name: str) -> bool:
    """Has the text no layers, but a field that only solvers have?"""
    found = {f.name for f in read_fields(Source(name, text))}
    own = set(SolverParameter.DESCRIPTOR.fields_by_name) - set(NetParameter.DESCRIPTOR.fields_by_name)
    return not found & {"layer", "layers"} and bool(found & own)


def _upgraded_net(text: str, name: str) -> tuple[Upgraded, str]:
    net = parse_net(text, name)
    return Upgraded("net", (*net.notes, *unknown_notes(net.layers, KEPT))), format_net(net)


def _upgraded_solver(text: str, name: str) -> tuple[Upgraded, str]:
    bound = parse_text(text, name, "SolverParameter")
    try:
        new = upgrade_solver(bound.message)
    except CaffeError as error:
        raise PrototxtError(str(error), name) from None
    notes = unknown_notes([bound], KEPT)
    if new != bound.message:
        notes += (f'solver_type is now type: "{new.type}"',)
    return Upgraded("solver", notes), format_message(new, bound.unknown)


def _upgrade_caffemodel(old: Path, out: Path, dialect: str | None) -> Upgraded:
    from caffe2py.proto.dialects.encoding import blob_kind, message_of
    from caffe2py.proto.net import net_of
    from caffe2py.proto.weights.caffemodel import write_caffemodel
    from caffe2py.proto.weights.read import read_weights

    weights = read_weights(old)
    if weights.version == "HDF5":
        raise UnsupportedError(
            "HDF5 weights hold no net, and have had one format only: nothing to upgrade", weights.file
        )
    net = net_of(weights, dialect)
    keys = unique(layer.name for layer in weights.layers)
    blobs = {key: layer.blobs for key, layer in zip(keys, weights.layers, strict=True) if layer.blobs}
    write_caffemodel(out, message_of(net), blobs, blob_kind(net))
    return Upgraded("caffemodel", (*weights.notes, *net.notes))
