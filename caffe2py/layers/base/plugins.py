"""Layers of your own: a Python file that registers them is run, once."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from caffe2py.errors import FileError
from caffe2py.layers.base import layer_types

_loaded: set[Path] = set()


def load_plugin(path: str | os.PathLike[str]) -> None:
    """Run a file of layer classes. A file that was run before is left alone. Raises `FileError` where it fails."""
    file = Path(path).resolve()
    if file in _loaded:
        return
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
