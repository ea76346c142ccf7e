"""The state of a solver on disk: `.solverstate`, binary or HDF5, in Caffe's own format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffe2py.errors import CaffemodelError, FileError
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.hdf5.safe import WHAT, new_hdf5, open_safely, read_array
from caffe2py.proto.schema import message_class


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
            message = message_class("SolverState")(
                iter=state.iteration,
                learned_net=state.learned_net,
                current_step=state.step,
            )
            for array in state.history:
                blob = message.history.add()  # type: ignore[attr-defined]
                blob.shape.dim.extend(array.shape)
                blob.data.extend(array.ravel())
            temporary.write_bytes(message.SerializeToString())


def read_state(path: str | os.PathLike[str]) -> State:
    """Read what `write_state` or Caffe wrote. Raises `CaffemodelError` where it is no such file."""
    name = os.fspath(path)
    if name.endswith(".h5"):
        return _read_hdf5(name)
    from google.protobuf.message import DecodeError

    try:
        message = message_class("SolverState").FromString(Path(path).read_bytes())
    except OSError as error:
        raise FileError((error.strerror or str(error)).lower(), name) from None
    except DecodeError:
        raise CaffemodelError("not a solver's state; want a .solverstate", name) from None
    history = []
    for blob in message.history:  # type: ignore[attr-defined]
        values = np.array(blob.data, np.float32)
        shape = tuple(blob.shape.dim)
        if not blob.HasField("shape"):
            shape = (blob.num, blob.channels, blob.height, blob.width)
        if values.size != int(np.prod(shape)):
            raise CaffemodelError(f"a history of shape {shape} with {values.size} values", name)
        history.append(values.reshape(shape))
    return State(message.iter, message.learned_net, message.current_step, history)  # type: ignore[attr-defined]


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
        learned = file["learned_net"][()] if "learned_net" in file else b""
        text = learned.decode(errors="surrogateescape") if isinstance(learned, bytes) else str(learned)
        numbers = (int(np.ravel(file[word][()])[0]) if word in file else 0 for word in ("iter", "current_step"))
        iteration, step = numbers
        return State(iteration, text.rstrip("\0"), step, arrays)
