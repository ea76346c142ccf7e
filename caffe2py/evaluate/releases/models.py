"""The nets that come with caffe2py: the seven prototxts of the SENet release, made from a description."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from caffe2py.errors import CaffeError


def prototxt(name: str) -> Path:
    """The file of a net that comes with caffe2py, such as "SE-ResNet-50". Raises CaffeError for another name."""
    found = {path.stem: path for path in _folder().glob("*.prototxt")}
    if name not in found:
        raise CaffeError(f'no net "{name}" comes with caffe2py; want one of {", ".join(sorted(found)) or "none"}')
    return found[name]


def _folder() -> Path:
    """Inside the installed package; beside it in a checkout. There is one source, `models/prototxt`."""
    package = Path(str(resources.files("caffe2py")))
    installed = package / "data" / "prototxt"
    return installed if installed.is_dir() else package.parent / "models" / "prototxt"
