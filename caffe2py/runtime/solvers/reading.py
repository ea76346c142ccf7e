"""Solver files: what they say, in today's words, and where their nets are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from caffe2py.errors import CaffeError, Place, PrototxtError
from caffe2py.proto.net import net_from_message, read_net, read_prototxt
from caffe2py.proto.schema import NetState
from caffe2py.proto.text.prototxt import NetText, parse_text
from caffe2py.runtime.glog import log
from caffe2py.runtime.solvers.rules import KINDS

OLD_TYPES = {"NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta", "ADAM": "Adam"}
TRAIN_FIELDS = ("train_net_param", "train_net", "net_param", "net")


def read_solver(path: str | os.PathLike[str]) -> Any:
    """The SolverParameter of a file. Raises `PrototxtError` for a field that Caffe does not know, as Caffe does."""
    name = os.fspath(path)
    bound = parse_text(read_prototxt(path), name, "SolverParameter")
    if bound.unknown:
        unknown = bound.unknown[0]
        if any(u.path.partition(".")[0].partition("[")[0] in ("layer", "layers") for u in bound.unknown):
            raise PrototxtError("this is a net, not a solver; want the solver that names it", Place(name))
        raise PrototxtError(f"a solver has no {unknown.path}", unknown.place)
    param = bound.message
    if param.HasField("solver_type"):
        if param.HasField("type"):
            raise PrototxtError("both type and solver_type; want type", Place(name))
        word = param.DESCRIPTOR.fields_by_name["solver_type"].enum_type.values_by_number[param.solver_type].name
        param.type = OLD_TYPES.get(word, word)
        param.ClearField("solver_type")
    if param.type not in KINDS:
        raise CaffeError(f"Unknown solver type: {param.type} (known types: {', '.join(KINDS)})", name)
    prefix = Path(param.snapshot_prefix)
    if not param.HasField("snapshot_prefix"):
        param.snapshot_prefix = str(Path(name).with_suffix(""))
        log("upgrade_proto.cpp:1104", f"snapshot_prefix was not specified and is set to {param.snapshot_prefix}")
    elif prefix.is_dir():
        param.snapshot_prefix = str(prefix / Path(name).stem)
        fact = "snapshot_prefix was a directory and is replaced to"
        log("upgrade_proto.cpp:1109", f"{fact} {param.snapshot_prefix}")
    return param


@dataclass(frozen=True)
class Source:
    """A net that a solver names: in a file or in the solver itself, and the state that its layers are chosen for."""

    said: str  # as Caffe's log says it
    net: NetText

    def in_state(self, phase: int, *states: Any) -> NetText:
        """The net with its own state merged into the phase, and then the states given."""
        message = type(self.net.message)()
        message.CopyFrom(self.net.message)
        message.state.Clear()
        message.state.phase = phase
        message.state.MergeFrom(self.net.message.state)
        for state in states:
            message.state.MergeFrom(state)
        return replace(self.net, message=message)


def train_source(param: Any, file: str) -> Source:
    """The net to train. Raises `CaffeError` unless there is exactly one."""
    given = [field for field in TRAIN_FIELDS if param.HasField(field)]
    fields = "net_param, net, train_net_param, train_net"
    if not given:
        raise CaffeError(f"SolverParameter must specify a train net using one of these fields: {fields}", file)
    if len(given) > 1:
        raise CaffeError(
            f"SolverParameter must not contain more than one of these fields specifying a train_net: {fields}", file
        )
    field = given[0]
    if field.endswith("_param"):
        return Source(f"specified in {field}.", net_from_message(getattr(param, field), file))
    name = getattr(param, field)
    return Source(f"from {field} file: {name}", read_net(_found(name, file)))


def test_sources(param: Any, file: str) -> Iterator[tuple[Source, Any]]:
    """The nets to test, each with the state that the solver says for it."""
    generic = [field for field in ("net_param", "net") if param.HasField(field)]
    own = len(param.test_net_param) + len(param.test_net)
    if generic and len(param.test_iter) < own:
        raise CaffeError("test_iter must be specified for each test network.", file)
    if not generic and len(param.test_iter) != own:
        raise CaffeError("test_iter must be specified for each test network.", file)
    count = len(param.test_iter) if generic else own
    if param.test_state and len(param.test_state) != count:
        raise CaffeError("test_state must be unspecified or specified once per test net.", file)
    if count and param.test_interval <= 0:
        raise CaffeError(f"test_interval is {param.test_interval}; want at least 1 where there is a test net", file)
    sources = [Source("test_net_param", net_from_message(p, file)) for p in param.test_net_param]
    sources += [Source(f"test_net file: {name}", read_net(_found(name, file))) for name in param.test_net]
    if count > own and generic[0] == "net_param":
        sources += [Source("net_param", net_from_message(param.net_param, file))] * (count - own)
    elif count > own:
        sources += [Source(f"net file: {param.net}", read_net(_found(param.net, file)))] * (count - own)
    for i, source in enumerate(sources):
        yield source, param.test_state[i] if param.test_state else NetState()


def _found(name: str, solver: str) -> str:
    """The net's file: from the current folder on, as in Caffe, else beside the solver."""
    beside = Path(solver).parent / name
    return str(beside) if not Path(name).exists() and beside.exists() else name
