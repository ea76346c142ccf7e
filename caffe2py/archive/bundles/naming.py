"""A bundle's name, its date, and the versions that made it."""

from __future__ import annotations

import datetime
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from caffe2py.errors import CaffeError
from caffe2py.version import __version__

PACKAGES = ("torch", "onnx", "numpy", "protobuf", "h5py")


def bundle_name(prototxt: Path) -> str:
    """A bundle's name: that of its prototxt."""
    name = re.sub(r"[^0-9A-Za-z._+-]+", "_", prototxt.stem).strip("._") or "net"
    return name[:100]


def bundle_date(date: str | None) -> str | None:
    """The date to be written: what is given, else SOURCE_DATE_EPOCH, else none."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        if date:
            datetime.datetime.fromisoformat(date)
            return date
        if epoch:
            moment = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        raise CaffeError(f'"{date or epoch}" is no date; want YYYY-MM-DD, or seconds in SOURCE_DATE_EPOCH') from None
    return None


def seconds(date: str | None) -> int:
    """The date as tar has it, 0 for none; without a time zone it is UTC."""
    if date is None:
        return 0
    moment = datetime.datetime.fromisoformat(date)
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()))


def versions() -> dict[str, str]:
    """What the conversion ran with."""
    return {"caffe2py": __version__, "python": platform.python_version()} | {p: version(p) for p in PACKAGES}
