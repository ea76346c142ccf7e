"""What comes through a pipe as a file, which can be read twice, mapped, and hashed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import weakref

from caffe2py.errors import FileError
from caffe2py.proto.disk.alias import Alias
from caffe2py.proto.disk.damage import reason

FILES = "/proc/self/fd"  # where Linux has names for the open files of a process


def settled(path: str | os.PathLike[str]) -> str:
    """The path of a file or folder as it is; for a pipe, a terminal or the like, that of a file with all that came.

    That file has no name that lasts, and in messages the one that was given. Raises FileError for other devices, which
    may never end, and for what can be no path.
    """
    name = os.fspath(path)
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return name  # who opens it tells why
    except ValueError:
        raise FileError("no file can have this name", name) from None
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return name
    try:
        with open(path, "rb") as source:
            if not (stat.S_ISFIFO(mode) or source.isatty()):
                raise FileError("is a device; want a file", name)
            # It is gone when nobody has the path any more; without a name, a killed process leaves none either.
            held = tempfile.TemporaryFile() if os.path.isdir(FILES) else tempfile.NamedTemporaryFile()  # noqa: SIM115
            shutil.copyfileobj(source, held)
            held.flush()
    except OSError as error:
        raise FileError(reason(error), name) from None
    made = Alias(f"{FILES}/{held.fileno()}" if os.path.isdir(FILES) else held.name, name)
    weakref.finalize(made, held.close)
    return made
