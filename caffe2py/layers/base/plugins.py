"""Layers of your own: a Python file that registers them is run, once."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from caffe2py.errors import FileError
from caffe2py.layers.base import layer_types

Path_ = str | os.PathLike[str]
_loaded: set[Path] = set()


def load_plugins(paths: Path_ | Sequence[Path_]) -> None:
    """Run files of layer classes, or one such file. Raises `FileError` where one fails."""
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        load_plugin(path)


def load_plugin(path: Path_) -> None:
    """Run a file of layer classes. A file that was run before is left alone. Raises `FileError` where it fails."""
    file = Path(path).resolve()
    if file in _loaded:
        return
    if not file.exists():
        raise FileError("no such file or directory", os.fspath(path))
    name = f"caffe2py_plugin_{len(_loaded)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise FileError("is no Python file; want one that registers layers", str(path))
    layer_types()  # ours first: a type that both register is the plugin's fault
    sys.modules[name] = module = importlib.util.module_from_spec(spec)  # where dataclasses look for a class's module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a stranger's file raises
        del sys.modules[name]
        raise FileError(f"a plugin that does not load: {type(error).__name__}: {error}", str(path)) from error
    _loaded.add(file)
