"""Names and short texts in emitted files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from caffe2py.backends.names import RESERVED, spelled
from caffe2py.backends.torch.writing.helpers import functions
from caffe2py.errors import LONGEST, shown
from caffe2py.layers.base import Shape


def taken() -> set[str]:
    """Names that nothing of a net's may have in an emitted file: Python's, the file's own, and its functions'."""
    return {*RESERVED, *functions()}


def class_name(net: str) -> str:
    """The net's name as a class: `SE-ResNet-50` as `SEResNet50`, `path` as `PathNet`, since the file has a `Path`."""
    words = re.findall(r"[A-Za-z0-9]+", spelled(net))
    name = "".join(w[0].upper() + w[1:] for w in words) or "Net"
    name = f"Net{name}" if name[0].isdigit() else name
    return f"{name}Net" if name in {*taken(), "Module"} else name


# Attributes of nn.Module that a layer's name must not hide.
MODULE_NAMES = (
    "T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches "
    "eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict "
    "modules mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook "
    "register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook "
    "register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ "
    "set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu zero_grad"
).split()


def in_docstring(text: str, most: int = LONGEST) -> str:
    """A text that ends no docstring, and in which no backslash means anything."""
    return shown(text, most).replace("\\", "\\\\").replace('"', "'")


def shape_lines(shapes: Mapping[str, Shape | None]) -> str:
    lines = [f"{in_docstring(blob)} {shape if shape is not None else 'of any shape'}" for blob, shape in shapes.items()]
    return ", ".join(lines) or "none"


def sizes(shape: Sequence[int]) -> str:
    """A shape as the arguments of `torch.empty`."""
    return ", ".join(map(str, shape)) or "()"


def quoted(text: str) -> str:
    """A string in Python's words, in double quotes; what cannot be printed, or is no character, is escaped."""
    escaped = repr(f"'{text}")[2:-1] if '"' not in text else text.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{escaped}"'
