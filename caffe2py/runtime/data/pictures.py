"""Pictures as Caffe's data layers read them: BGR or gray, resized by OpenCV (util/io.cpp)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.disk.damage import reason


def read_picture(path: str, height: int = 0, width: int = 0, color: bool = True) -> np.ndarray:
    """A picture file as uint8 (channels, height, width), resized where a size is given. Raises `FileError`."""
    pixels = loaded(path, color)
    if height > 0 and width > 0:
        pixels = opencv().resize(pixels, (width, height))
    return channels_first(pixels)


def loaded(path: str, color: bool = True) -> np.ndarray:
    """A picture file as OpenCV has it, (height, width, channels) or (height, width). Raises `FileError`."""
    cv2 = opencv()
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"Could not open or find file: {reason(error)}", path) from None
    pixels = decoded(data, cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise FileError("is no picture that OpenCV reads", path)
    return pixels


def decoded(data: bytes, how: int) -> np.ndarray | None:
    """An encoded picture as OpenCV has it; None where it is none."""
    cv2 = opencv()
    try:
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), how) if data else None
    except cv2.error:  # one that is too large, too
        return None
    return pixels


def decode_picture(data: bytes, color: bool | None) -> np.ndarray:
    """An encoded picture as uint8 (channels, height, width); None: with the channels that it has."""
    cv2 = opencv()
    how = {True: cv2.IMREAD_COLOR, False: cv2.IMREAD_GRAYSCALE, None: cv2.IMREAD_UNCHANGED}[color]
    pixels = decoded(data, how)
    if pixels is None:
        raise CaffeError("Could not decode datum")
    return channels_first(pixels)


def channels_first(pixels: np.ndarray) -> np.ndarray:
    """(height, width, channels) or (height, width) as (channels, height, width)."""
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def opencv() -> Any:
    """The module. Raises `CaffeError` where it is not installed."""
    try:
        import cv2
    except ImportError:
        raise CaffeError("pictures need opencv: pip install 'caffe2py[runtime]'") from None
    return cv2
