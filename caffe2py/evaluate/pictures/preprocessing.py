"""Image file to input blob, as Caffe's tools do it with OpenCV, or as others have done it since.

    blob = (crop(resize(decode(file))) - mean) * scale        channels first, BGR, values 0 to 255

Caffe decodes and resizes with OpenCV. Pillow's filters smooth where they shrink and OpenCV's do not, so that the two
give other pixels; the way taken is an option with a name, and is written into every result.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError, first_line
from caffe2py.proto.disk.looks import looks_like


@dataclass(frozen=True)
class Resize:
    """A way to resize: by which library, with which filter, keeping the picture's aspect or not."""

    library: str
    filter: str
    keeps_aspect: bool
    what: str


# Named for what they do; the filters are the libraries' own names.
RESIZES: Mapping[str, Resize] = {
    "opencv-linear": Resize("cv2", "INTER_LINEAR", True, "shorter side, OpenCV's INTER_LINEAR, as Caffe's tools"),
    "opencv-cubic": Resize("cv2", "INTER_CUBIC", True, "shorter side, OpenCV's INTER_CUBIC"),
    "opencv-area": Resize("cv2", "INTER_AREA", True, "shorter side, OpenCV's INTER_AREA"),
    "pil-bilinear": Resize("PIL", "BILINEAR", True, "shorter side, Pillow's bilinear, as torchvision and timm"),
    "pil-bicubic": Resize("PIL", "BICUBIC", True, "shorter side, Pillow's bicubic, as torchvision and timm"),
    "warp": Resize("cv2", "INTER_LINEAR", False, "to a square whatever the aspect, as Caffe's LMDB scripts"),
    "none": Resize("cv2", "", True, "not at all: the crop is cut from the picture as it is"),
}
CHANNELS = ("bgr", "rgb", "grey")
MEAN = (104.0, 117.0, 123.0)  # BGR, of ILSVRC2012's training images, rounded; what the SENet release subtracts


@dataclass(frozen=True)
class Preprocessing:
    """How an image file becomes an input blob. `size` is the length of the shorter side (of both, for warp).

    `mean` is one value, one a channel, or an array (channels, height, width) of the crop's size or, for warp, of the
    resized image's; its channels are in the order of `channels`. `mean_source` says where it is from.
    """

    crop: tuple[int, int] = (224, 224)
    size: tuple[int, int] = (256, 256)
    resize: str = "opencv-linear"
    mean: tuple[float, ...] | np.ndarray = MEAN
    mean_source: str = "given"
    scale: float = 1.0
    channels: str = "bgr"

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise CaffeError(f'no way to resize "{self.resize}"; want one of {", ".join(RESIZES)}')
        if self.channels not in CHANNELS:
            raise CaffeError(f'no channel order "{self.channels}"; want one of {", ".join(CHANNELS)}')
        if self.resize != "none" and (
            min(self.size) < 1 or any(s < c for s, c in zip(self.size, self.crop, strict=True))
        ):
            raise CaffeError(f"a crop of {_by(self.crop)} does not fit images resized to {_by(self.size)}")
        self.offset()

    @property
    def depth(self) -> int:
        """The number of channels."""
        return 1 if self.channels == "grey" else 3

    def pixels(self, data: bytes, name: str = "") -> np.ndarray:
        """The crop's pixels (height, width, channels) as uint8. Raises FileError where the file is no whole image."""
        way = RESIZES[self.resize]
        image = (_pil_pixels if way.library == "PIL" else _opencv_pixels)(data, name, self, way)
        height, width = image.shape[:2]
        top, left = _corner((height, width), self.crop, way)
        if top < 0 or left < 0:
            raise FileError(f"{_by((height, width))} is too small for a crop of {_by(self.crop)}", name)
        return image[top : top + self.crop[0], left : left + self.crop[1]]

    def seen(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what the net sees of a picture of this size, in the picture's pixels."""
        way = RESIZES[self.resize]
        size = (height, width)
        if self.resize != "none":
            size = _resized(size, self, way)
        top, left = _corner(size, self.crop, way)
        down, right = height / size[0], width / size[1]
        return left * right, top * down, (left + self.crop[1]) * right, (top + self.crop[0]) * down

    def offset(self) -> np.ndarray:
        """What is subtracted, as (1 or channels, 1, 1) or (channels, height, width) of the crop."""
        mean = np.asarray(self.mean, np.float32)
        if mean.ndim == 1:
            mean = mean[:, None, None]
        if mean.shape[0] not in (1, self.depth):
            raise CaffeError(f"the mean has {mean.shape[0]} channels, the images {self.depth} ({self.mean_source})")
        if mean.shape[1:] in ((1, 1), self.crop):
            return mean
        if not RESIZES[self.resize].keeps_aspect and mean.shape[1:] == self.size:
            top, left = _corner(self.size, self.crop, RESIZES[self.resize])
            return mean[:, top : top + self.crop[0], left : left + self.crop[1]]
        raise CaffeError(
            f"the mean image is {_by(mean.shape[1:])} and the crop {_by(self.crop)} ({self.mean_source}); "
            f"want images resized to the mean's size (--resize warp), or the mean of each channel (--mean-per-channel)"
        )

    def blob(self, data: bytes, name: str = "") -> np.ndarray:
        """The input blob (channels, height, width), float32, of one encoded image."""
        pixels = self.pixels(data, name).transpose(2, 0, 1).astype(np.float32)
        return (pixels - self.offset()) * np.float32(self.scale)

    def settings(self) -> dict[str, Any]:
        """Everything that decides the numbers, in plain values."""
        flat = np.asarray(self.mean, np.float32)
        return {
            "resize": self.resize,
            "size": list(self.size),
            "crop": list(self.crop),
            "channels": self.channels,
            "mean": [round(float(m), 8) for m in (flat if flat.ndim == 1 else flat.mean((1, 2)))],
            "mean_source": self.mean_source,
            "mean_image": list(flat.shape) if flat.ndim == 3 and flat.shape[1:] != (1, 1) else None,
            "scale": self.scale,
        }

    def picture(self, data: bytes, name: str = "") -> np.ndarray:
        """The whole picture (height, width, 3) as uint8, BGR, the way up that `pixels` sees it. Raises FileError."""
        cv2 = import_opencv()
        turned = 0 if RESIZES[self.resize].library == "cv2" else cv2.IMREAD_IGNORE_ORIENTATION
        return _decoded(data, name, cv2.IMREAD_COLOR | turned)


def _decoded(data: bytes, name: str, flags: int) -> np.ndarray:
    cv2 = import_opencv()
    try:
        image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise FileError(f"OpenCV cannot decode it: {first_line(error)}", name) from None
    if image is None:
        raise FileError(_why_not(data), name)
    return image


def _opencv_pixels(data: bytes, name: str, how: Preprocessing, way: Resize) -> np.ndarray:
    """As cv2.imread: 8 bits, turned by the EXIF tag, alpha dropped; a file that is cut short is refused."""
    cv2 = import_opencv()
    image = _decoded(data, name, cv2.IMREAD_GRAYSCALE if how.channels == "grey" else cv2.IMREAD_COLOR)
    if how.resize != "none":
        height, width = _resized(image.shape[:2], how, way)
        if (height, width) != image.shape[:2]:
            image = cv2.resize(image, (width, height), interpolation=getattr(cv2, way.filter))
    if how.channels == "rgb":
        image = image[:, :, ::-1]
    return image if image.ndim == 3 else image[:, :, None]


def _pil_pixels(data: bytes, name: str, how: Preprocessing, way: Resize) -> np.ndarray:
    """As torchvision and timm: Pillow's decoder, the EXIF tag ignored."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as file:
            picture = file.convert("L" if how.channels == "grey" else "RGB")
    except UnidentifiedImageError:
        raise FileError(_why_not(data), name) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileError(f"Pillow cannot decode it: {error}", name) from None
    height, width = _resized((picture.height, picture.width), how, way)
    image = np.asarray(picture.resize((width, height), Image.Resampling[way.filter]))
    if how.channels == "grey":
        return image[:, :, None]
    return image if how.channels == "rgb" else image[:, :, ::-1]


def _resized(shape: tuple[int, int], how: Preprocessing, way: Resize) -> tuple[int, int]:
    """Height and width after resizing. The longer side is rounded; for Pillow it is cut off, as torchvision does."""
    if not way.keeps_aspect:
        return how.size
    height, width = shape
    whole = int if way.library == "PIL" else round
    short = how.size[0]
    if height <= width:
        return short, whole(width * short / height)
    return whole(height * short / width), short


def _corner(shape: tuple[int, int], crop: tuple[int, int], way: Resize) -> tuple[int, int]:
    """Top and left of the centre crop: rounded down, as Caffe; to the nearest, as torchvision, for Pillow."""
    if way.library == "PIL":
        return round((shape[0] - crop[0]) / 2), round((shape[1] - crop[1]) / 2)
    return (shape[0] - crop[0]) // 2, (shape[1] - crop[1]) // 2


def _why_not(data: bytes) -> str:
    if not data:
        return "the file is empty"
    kind = looks_like(data[:4096])
    return (
        f"{kind} that is damaged or cut short" if kind and "picture" in kind else f"no image ({kind or 'unknown kind'})"
    )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def import_opencv() -> Any:
    """The cv2 module. Raises CaffeError that says what to install."""
    try:
        import cv2
    except ImportError:
        raise CaffeError("images need OpenCV: pip install 'caffe2py[evaluate]'") from None
    return cv2
