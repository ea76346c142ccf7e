"""Files of `torch.save` from strangers: nothing in them is run, and nothing is unpacked."""

from __future__ import annotations

import os
import re
import zipfile
from typing import Any

from caffe2py.errors import FileError
from caffe2py.proto.disk.damage import reason

CODE = re.compile(r"GLOBAL (\S+)")  # what torch says of a name that it does not call


def torch_load(path: str | os.PathLike[str], wish: str, mapped: bool = False) -> Any:
    """What a file of `torch.save` holds: tensors, lists, dicts, texts and numbers; `mapped`: tensors are views on it.

    Raises `FileError`, which ends with the `wish`, for a damaged file, for one that calls anything else, and for one
    that is compressed, which torch's own are not: a small one could hold any number of bytes.
    """
    import torch

    name, packed = os.fspath(path), zipfile.is_zipfile(path)
    try:
        if packed:
            with zipfile.ZipFile(path) as file:
                if any(member.compress_type != zipfile.ZIP_STORED for member in file.infolist()):
                    raise FileError(f"is a compressed zip, as torch writes none; {wish}", name)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and packed)
    except FileError:
        raise
    except OSError as error:
        raise FileError(reason(error), name) from None
    except Exception as error:  # of damaged ones torch says much, in many kinds, and nothing that helps
        called = CODE.search(str(error))
        fact = f"would run {called[1]}, which is not done" if called else "cannot be read as a plain torch file"
        raise FileError(f"{fact}; {wish}", name) from None
