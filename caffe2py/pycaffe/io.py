"""`caffe.io`: pictures as arrays, what nets want done to them, and arrays as Caffe's messages."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.pycaffe.proto import caffe_pb2

GRAY = np.array([0.2125, 0.7154, 0.0721])  # of red, green and blue: ITU-R BT.709, as scikit-image has it

# Messages ---------------------------------------------------------------------------------------------------------


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """The data (or the diff) of a BlobProto. Raises ValueError where its shape does not fit its values."""
    values = np.array(blob.diff if return_diff else blob.data)
    if any(blob.HasField(word) for word in ("num", "channels", "height", "width")):
        return values.reshape(blob.num, blob.channels, blob.height, blob.width)
    return values.reshape(tuple(blob.shape.dim))


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> Any:
    """An array as a BlobProto, with its diff where one is given."""
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(arr.astype(float).flat)
    if diff is not None:
        blob.diff.extend(diff.astype(float).flat)
    return blob


def arraylist_to_blobprotovector_str(arraylist: Sequence[np.ndarray]) -> bytes:
    """Arrays as the bytes of a BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.blobs.extend([array_to_blobproto(arr) for arr in arraylist])
    text: bytes = vector.SerializeToString()
    return text


def blobprotovector_str_to_arraylist(str: bytes) -> list[np.ndarray]:
    """The arrays in the bytes of a BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.ParseFromString(str)
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Any:
    """An array (channels, height, width) as a Datum: bytes of uint8, anything else as floats."""
    if arr.ndim != 3:
        raise ValueError("Incorrect array shape.")
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> np.ndarray:
    """The array (channels, height, width) in a Datum; its label is not part of it."""
    shape = datum.channels, datum.height, datum.width
    if len(datum.data):
        return np.frombuffer(datum.data, dtype=np.uint8).reshape(shape)
    return np.array(datum.float_data).astype(float).reshape(shape)


# Pictures ---------------------------------------------------------------------------------------------------------


class Transformer:
    """What is done to a picture before a net reads it: resize, transpose, swap channels, scale, take off a mean, scale.

    `inputs` gives the shape of each input blob by its name. Each step is left out until it is set.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def __check_input(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise Exception(f"{in_} is not one of the net inputs: {self.inputs}")

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """A picture (height, width, channels) as the net wants it, float32. The picture is left as it is."""
        self.__check_input(in_)
        made = np.array(data, np.float32)
        sizes = tuple(self.inputs[in_][2:])
        if made.shape[:2] != sizes:
            made = resize_image(made, sizes)
        if in_ in self.transpose:
            made = made.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            made = made[list(self.channel_swap[in_]), :, :]
        if self.raw_scale.get(in_) is not None:
            made *= self.raw_scale[in_]
        if self.mean.get(in_) is not None:
            made -= self.mean[in_]
        if self.input_scale.get(in_) is not None:
            made *= self.input_scale[in_]
        return made

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """A net's input back as a picture: the steps of `preprocess` in reverse, without the resizing."""
        self.__check_input(in_)
        made = np.array(data.copy().squeeze())
        if self.input_scale.get(in_) is not None:
            made /= self.input_scale[in_]
        if self.mean.get(in_) is not None:
            made += self.mean[in_]
        if self.raw_scale.get(in_) is not None:
            made /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            made = made[np.argsort(self.channel_swap[in_]), :, :]
        if in_ in self.transpose:
            made = made.transpose(np.argsort(self.transpose[in_]))
        return made

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of axes: (2, 0, 1) makes (height, width, channels) the (channels, height, width) of Caffe."""
        self.__check_input(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise Exception("Transpose order needs to have the same number of dimensions as the input.")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of channels, after `transpose`: (2, 1, 0) makes BGR of RGB."""
        self.__check_input(in_)
        if len(order) != self.inputs[in_][1]:
            raise Exception("Channel swap needs to have the same number of dimensions as the input channels.")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """A factor before the mean is taken off: 255 for pictures of 0 to 1."""
        self.__check_input(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """What is taken off: a value for each channel, or a whole picture (channels, height, width), resized to fit."""
        self.__check_input(in_)
        if mean.ndim == 1:
            if mean.shape[0] != self.inputs[in_][1]:
                raise ValueError("Mean channels incompatible with input.")
            mean = mean[:, np.newaxis, np.newaxis]
        else:
            whole = mean[np.newaxis] if mean.ndim == 2 else mean
            if whole.ndim != 3:
                raise ValueError("Mean shape invalid")
            if whole.shape != tuple(self.inputs[in_][1:]):
                low, high = whole.min(), whole.max()
                even = ((whole - low) / (high - low)).transpose(1, 2, 0)
                mean = resize_image(even, tuple(self.inputs[in_][2:])).transpose(2, 0, 1) * (high - low) + low
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """A factor after the mean is taken off."""
        self.__check_input(in_)
        self.input_scale[in_] = scale


def load_image(filename: str | os.PathLike[str], color: bool = True) -> np.ndarray:
    """A picture as float32 from 0 to 1, (height, width, 3) in RGB, or (height, width, 1) without `color`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(filename) as image:
            pixels = _pixels(image)
    except FileNotFoundError:
        raise
    except (UnidentifiedImageError, OSError) as error:
        raise FileError(f"not a picture that can be read ({error})", os.fspath(filename)) from None
    if not color and pixels.ndim == 3:
        if pixels.shape[2] == 4:
            pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])  # over white
        pixels = pixels @ GRAY
    made = pixels.astype(np.float32)
    if made.ndim == 2:
        return np.tile(made[:, :, np.newaxis], (1, 1, 3 if color else 1))
    return made[:, :, :3]


def _pixels(image: Any) -> np.ndarray:
    """Pixels from 0 to 1: gray (height, width), or RGB or RGBA."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    elif image.mode == "LA":
        image = image.convert("RGBA")
    values = np.asarray(image)
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if values.dtype == bool:
        return values.astype(np.float64)
    largest = 65535 if values.dtype.itemsize > 1 else 255
    return values / float(largest)


def resize_image(im: np.ndarray, new_dims: Sequence[int], interp_order: int = 1) -> np.ndarray:
    """The picture (height, width, channels) at another size, float32, by splines of that order.

    One or three channels are smoothed before they are made smaller and clipped to the values they had, as
    scikit-image's `resize` does; any other number goes through scipy's `zoom` alone, as in pycaffe.
    """
    from scipy import ndimage

    height, width = int(new_dims[0]), int(new_dims[1])
    if im.shape[-1] not in (1, 3):
        factors = (height / im.shape[0], width / im.shape[1], 1)
        return ndimage.zoom(im, factors, order=interp_order).astype(np.float32)
    low, high = im.min(), im.max()
    if not high > low:
        return np.full((height, width, im.shape[-1]), low, np.float32)
    even = (im - low) / (high - low)
    sizes = (height, width, im.shape[-1])
    factors = np.divide(even.shape, sizes)
    smooth = even
    if any(new < old for new, old in zip(sizes, even.shape, strict=True)):
        smooth = ndimage.gaussian_filter(even, np.maximum(0, (factors - 1) / 2), mode="grid-constant")
    made = ndimage.zoom(smooth, 1 / factors, order=interp_order, mode="grid-constant", grid_mode=True)
    return (np.clip(made, even.min(), even.max()) * (high - low) + low).astype(np.float32)


def oversample(images: Sequence[np.ndarray], crop_dims: Sequence[int]) -> np.ndarray:
    """Ten crops of each picture: corners, middle, and their mirror images, (10 n, height, width, channels)."""
    full = np.array(images[0].shape)
    size = np.array(crop_dims)
    rows, columns = (0, full[0] - size[0]), (0, full[1] - size[1])
    middle = (full[:2] / 2.0 - size / 2.0).astype(int)
    corners = [(y, x) for y in rows for x in columns] + [(middle[0], middle[1])]
    crops = np.empty((10 * len(images), size[0], size[1], full[-1]), dtype=np.float32)
    for i, image in enumerate(images):
        for j, (y, x) in enumerate(corners):
            crop = image[y : y + size[0], x : x + size[1], :]
            crops[10 * i + j] = crop
            crops[10 * i + 5 + j] = crop[:, ::-1, :]
    return crops


def require(module: str) -> None:
    """Raise `CaffeError` where a package of the extra `runtime` is missing."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise CaffeError(f"this needs {module}: pip install 'caffe2py[runtime]'")
