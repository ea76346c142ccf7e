"""The state of a solver on disk: `.solverstate`, binary or HDF5, in Caffe's own format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import CaffemodelError
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import map_file, written_whole
from caffe2py.proto.hdf5.safe import WHAT, new_hdf5, open_safely, read_array, read_string
from caffe2py.proto.schema import message_class
from caffe2py.proto.weights.blobs import Blob, encode_blob, parse_blob
from caffe2py.proto.weights.wire import LEN, WireError, encode_head, fields

HISTORY = 3  # the field of a SolverState that holds the arrays


@dataclass(frozen=True)
class State:
    """Where a solver stands: `history` holds an array for each learned blob, two for AdaDelta and Adam."""

    iteration: int
    learned_net: str
    step: int
    history: Sequence[np.ndarray]


def write_state(path: str | os.PathLike[str], state: State) -> None:
    """Write it as HDF5 where the name ends in `.h5`, else as a SolverState message."""
    with written_whole(path) as temporary:
        if os.fspath(path).endswith(".h5"):
            _write_hdf5(temporary, state)
        else:
            _write_binary(temporary, state)


def read_state(path: str | os.PathLike[str]) -> State:
    """Read what `write_state` or Caffe wrote. Raises `CaffemodelError` where it is no such file."""
    name = os.fspath(path)
    if name.endswith(".h5"):
        return _read_hdf5(name)
    from google.protobuf.message import DecodeError

    buffer = map_file(path)
    history, rest = [], []
    try:
        for field in fields(buffer, 0, len(buffer)):
            if field.number == HISTORY and field.wire == LEN:
                history.append(parse_blob(buffer, field.start, field.end).data.astype(np.float32, copy=False))
            else:
                rest.append(buffer[field.at : field.end])
        message: Any = message_class("SolverState").FromString(b"".join(rest))
    except (WireError, DecodeError) as error:
        raise CaffemodelError(f"not a solver's state ({error}); want a .solverstate", name) from None
    return State(message.iter, message.learned_net, message.current_step, history)


def _write_binary(path: Path, state: State) -> None:
    """The fields in the order of their numbers, as protobuf has them; the arrays are streamed."""
    make = message_class("SolverState")
    with open(path, "wb") as file:
        file.write(make(iter=state.iteration, learned_net=state.learned_net).SerializeToString())
        for array in state.history:
            length, pieces = encode_blob(Blob(array))
            file.write(encode_head(HISTORY, length))
            file.writelines(pieces)
        file.write(make(current_step=state.step).SerializeToString())


def _write_hdf5(path: Path, state: State) -> None:
    with new_hdf5(path) as file:
        file.create_dataset("iter", data=np.array([state.iteration], np.int32))
        name = np.bytes_(os.fsencode(state.learned_net) + b"\0")  # C reads up to the 0
        file.create_dataset("learned_net", data=name)
        file.create_dataset("current_step", data=np.array([state.step], np.int32))
        history = file.create_group("history")
        for i, array in enumerate(state.history):
            history.create_dataset(str(i), data=array)


def _read_hdf5(name: str) -> State:
    with open_safely(name) as file, damage_told(name, WHAT):
        if "history" not in file or "iter" not in file:
            raise CaffemodelError("not a solver's state; want a .solverstate.h5", name)
        history = file["history"]
        arrays = [read_array(history[str(i)]).astype(np.float32) for i in range(len(history))]
        learned = read_string(file["learned_net"]).rstrip("\0") if "learned_net" in file else ""
        iteration, step = (int(read_array(file[w]).ravel()[0]) if w in file else 0 for w in ("iter", "current_step"))
        return State(iteration, learned, step, arrays)
