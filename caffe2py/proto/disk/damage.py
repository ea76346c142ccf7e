"""Reading files with other people's libraries, which have many errors for damaged ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from caffe2py.errors import CaffeError, FileError


@contextmanager
def damage_told(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Around what reads a file with a library: whatever that raises becomes one FileError, "a damaged ..."."""
    try:
        yield
    except CaffeError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise FileError(reason(error), os.fspath(path)) from None
    except MemoryError:
        raise FileError(f"a damaged {what}, or one that asks for more memory than there is", os.fspath(path)) from None
    except Exception as error:  # of a parser that somebody else wrote, on bytes that anybody made
        raise FileError(f"a damaged {what} ({reason(error)})", os.fspath(path)) from None


def reason(error: BaseException) -> str:
    """What an error says, on one line; its kind too, where the words alone would tell nothing."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    said = " ".join(str(error).split())
    clear = said and isinstance(error, OSError | ValueError | RuntimeError)
    return said if clear else f"{type(error).__name__}: {said}"
