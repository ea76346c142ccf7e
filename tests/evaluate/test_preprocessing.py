"""Image files to input blobs: to the last bit what was fed to Caffe, and what each option does."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from caffe2py.cli.image_options import RESIZES as CLI_RESIZES
from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.pictures.net_input import Choices, preprocessing
from caffe2py.evaluate.pictures.preprocessing import RESIZES, Preprocessing
from caffe2py.evaluate.releases.registry import Release
from caffe2py.proto.weights.mean import write_mean
from tests.helpers.absent import needs_module
from tests.helpers.nets import graph_of
from tests.helpers.reference import reference

cv2 = needs_module("cv2", "OpenCV")
PIL = needs_module("PIL.Image", "Pillow")
RECORDED = [f"val_{i:08d}" for i in range(1, 25)]
NET = (
    'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: {} dim: {} dim: {} }} }} {} }}'
    'layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 3 }} }}'
)


def net(depth: int = 3, height: int = 224, width: int = 224, more: str = ""):  # type: ignore[no-untyped-def]
    return graph_of(NET.format(depth, height, width, more))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth enough for filters to differ by little, rough enough for one pixel's shift to show."""
    small = np.random.RandomState(seed).randint(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def png(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


@pytest.mark.parametrize("name", RECORDED)
def test_inputs_equal_the_recorded_ones_to_the_last_bit(name: str) -> None:
    recorded = np.load(reference("evaluate/expected_inputs.npz"))
    names = list(map(str, recorded["names"]))
    file = next(f for f in names if f.startswith(name))
    blob = Preprocessing().blob(reference(f"evaluate/images/{file}").read_bytes(), file)
    assert (blob.shape, blob.dtype) == ((3, 224, 224), np.float32)
    np.testing.assert_array_equal(blob.ravel()[recorded["indices"]], recorded["samples"][names.index(file)])


def test_all_recorded_inputs_are_tested() -> None:
    files = [image["file"] for image in json.loads(reference("evaluate/expected.json").read_text())["images"]]
    assert {name for name in RECORDED if any(f.startswith(name) for f in files)} == {Path(f).stem for f in files}


@pytest.mark.parametrize(
    ("shape", "resized"),
    [
        ((300, 400), (256, 341)),
        ((400, 300), (341, 256)),
        ((256, 256), (256, 256)),
        ((100, 150), (256, 384)),
        ((512, 1001), (256, 500)),  # 500.5: OpenCV rounds halves to even
        ((512, 1003), (256, 502)),  # 501.5
        ((301, 777), (256, 661)),  # 660.84
        ((255, 257), (256, 258)),
    ],
)
def test_the_longer_side_is_rounded_as_opencv_rounds(shape: tuple[int, int], resized: tuple[int, int]) -> None:
    pixels = picture(*shape)
    wanted = cv2.resize(pixels, resized[::-1], interpolation=cv2.INTER_LINEAR)
    top, left = (resized[0] - 224) // 2, (resized[1] - 224) // 2
    got = Preprocessing().pixels(png(pixels))
    np.testing.assert_array_equal(got, wanted[top : top + 224, left : left + 224])


def exif_turned(pixels: np.ndarray, orientation: int) -> bytes:
    made, exif = io.BytesIO(), PIL.Exif()
    exif[0x0112] = orientation
    PIL.fromarray(pixels[:, :, ::-1]).save(made, "JPEG", quality=95, subsampling=0, exif=exif)
    return made.getvalue()


KINDS = {
    "grey": lambda p: cv2.imencode(".png", p[:, :, 0])[1].tobytes(),
    "alpha": lambda p: cv2.imencode(".png", np.dstack([p, p[:, :, :1] // 2]))[1].tobytes(),
    "16 bits": lambda p: cv2.imencode(".png", p.astype(np.uint16) * 255)[1].tobytes(),
    "tiff": lambda p: cv2.imencode(".tiff", p)[1].tobytes(),
    "webp": lambda p: cv2.imencode(".webp", p, [cv2.IMWRITE_WEBP_QUALITY, 90])[1].tobytes(),
    "bmp": lambda p: cv2.imencode(".bmp", p)[1].tobytes(),
    **{f"exif {n}": (lambda p, n=n: exif_turned(p, n)) for n in range(1, 9)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_decodes_as_cv2_imread_does(kind: str, tmp_path: Path) -> None:
    data = KINDS[kind](picture(240, 310, seed=3))
    (tmp_path / "image").write_bytes(data)
    wanted = cv2.imread(str(tmp_path / "image"))
    got = Preprocessing(resize="none").pixels(data)
    top, left = (wanted.shape[0] - 224) // 2, (wanted.shape[1] - 224) // 2
    np.testing.assert_array_equal(got, wanted[top : top + 224, left : left + 224])


def test_each_way_to_resize_gives_other_pixels() -> None:
    assert list(RESIZES) == CLI_RESIZES
    data = png(picture(500, 620))
    made = {way: Preprocessing(resize=way).blob(data) for way in RESIZES}
    for one in made:
        for other in made:
            assert one == other or not np.array_equal(made[one], made[other]), (one, other)


@pytest.mark.parametrize("filter_", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(301, 777), (777, 301), (333, 501)])
def test_pillow_s_way_is_torchvision_s(filter_: str, shape: tuple[int, int]) -> None:
    """Resize(256) cuts the longer side's fraction off, CenterCrop(224) rounds its corner; channels then as Caffe's."""
    pixels = picture(*shape)
    size = [int(256 * side / min(shape)) for side in shape]
    image = PIL.fromarray(pixels[:, :, ::-1]).resize(size[::-1], PIL.Resampling[filter_.upper()])
    top, left = (round((side - 224) / 2.0) for side in size)
    wanted = np.asarray(image)[top : top + 224, left : left + 224, ::-1]
    np.testing.assert_array_equal(Preprocessing(resize=f"pil-{filter_}").pixels(png(pixels)), wanted)


def test_channels_mean_and_scale() -> None:
    data = png(picture(256, 256))
    pixels = Preprocessing().pixels(data).astype(np.float64)
    blue_first = Preprocessing(mean=(1.5, 20, 3), scale=0.25).blob(data)
    np.testing.assert_array_equal(blue_first, ((pixels - [1.5, 20, 3]) * 0.25).transpose(2, 0, 1))
    red_first = Preprocessing(mean=(3, 20, 1.5), scale=0.25, channels="rgb").blob(data)
    np.testing.assert_array_equal(red_first, blue_first[::-1])
    grey = Preprocessing(mean=(7,), channels="grey").blob(data)
    wanted = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)[16:240, 16:240]
    np.testing.assert_array_equal(grey, wanted[None] - np.float32(7))


@pytest.mark.parametrize("suffix", [".binaryproto", ".npy"])
def test_a_mean_image_is_cropped_like_the_image(suffix: str, tmp_path: Path) -> None:
    mean = np.random.RandomState(1).uniform(90, 130, (3, 256, 256)).astype(np.float32)
    write_mean(tmp_path / f"mean{suffix}", mean)
    asked = {"mean": str(tmp_path / f"mean{suffix}")}
    data = png(picture(300, 500))
    warped = preprocessing(net(), Choices(resize="warp", **asked))
    pixels = cv2.resize(picture(300, 500), (256, 256)).transpose(2, 0, 1).astype(np.float32)
    np.testing.assert_array_equal(warped.blob(data), (pixels - mean)[:, 16:240, 16:240])
    per_channel = preprocessing(net(), Choices(mean_per_channel=True, **asked))
    np.testing.assert_array_equal(per_channel.offset(), mean.mean((1, 2), keepdims=True))
    with pytest.raises(CaffeError, match=r"mean image is 256 x 256 and the crop 224 x 224 .*--resize warp"):
        preprocessing(net(), Choices(**asked))


TRANSFORMS = {
    "values": ("mean_value: 1 mean_value: 2 mean_value: 3 scale: 0.5 mirror: true", {"mean": [1, 2, 3], "scale": 0.5}),
    "one value": ("mean_value: 9", {"mean": [9]}),
    "no mean": ("scale: 0.25", {"mean": [0], "scale": 0.25}),
    "crop": ("crop_size: 224 mean_value: 9", {"crop": [224, 224]}),
}


@pytest.mark.parametrize(("text", "said"), TRANSFORMS.values(), ids=TRANSFORMS)
def test_transform_param_is_honoured(text: str, said: dict[str, object], tmp_path: Path) -> None:
    own = preprocessing(net(more=f"transform_param {{ {text} }}"), Choices()).settings()
    (tmp_path / "train_val.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "data" transform_param { mean_value: 77 } include { phase: TRAIN } }'
        f'layer {{ name: "d" type: "Data" top: "data" transform_param {{ {text} }} include {{ phase: TEST }} }}'
    )
    from_file = preprocessing(net(), Choices(transform=str(tmp_path / "train_val.prototxt"))).settings()
    assert {key: own[key] for key in said} == said
    assert own == from_file


def test_a_mean_file_of_transform_param_is_found_beside_the_net(tmp_path: Path) -> None:
    import caffe2py

    write_mean(tmp_path / "mean.binaryproto", np.full((3, 224, 224), 5, np.float32))
    (tmp_path / "net.prototxt").write_text(
        NET.format(3, 224, 224, 'transform_param { mean_file: "x/mean.binaryproto" }')
    )
    how = preprocessing(caffe2py.load(tmp_path / "net.prototxt"), Choices())
    np.testing.assert_array_equal(how.offset(), np.full((3, 224, 224), 5))


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((3, 224, 224), ("opencv-linear", [256, 256], "bgr")),
        ((3, 227, 227), ("opencv-linear", [256, 256], "bgr")),
        ((3, 299, 299), ("opencv-linear", [342, 342], "bgr")),
        ((3, 64, 64), ("opencv-linear", [73, 73], "bgr")),
        ((3, 48, 96), ("warp", [48, 96], "bgr")),
        ((1, 28, 28), ("opencv-linear", [32, 32], "grey")),
    ],
)
def test_a_net_s_own_input_size(size: tuple[int, int, int], said: tuple[str, list[int], str]) -> None:
    how = preprocessing(net(*size), Choices())
    made = how.settings()
    assert (made["resize"], made["size"], made["channels"]) == said
    assert how.blob(png(picture(120, 90))).shape == size


def test_what_is_asked_for_comes_before_the_net_and_its_release() -> None:
    release = Release("r", mean=(4.0, 5.0, 6.0), resize="warp")
    plain = preprocessing(net(), Choices(), release).settings()
    assert (plain["mean"], plain["mean_source"], plain["resize"]) == ([4, 5, 6], "release r", "warp")
    red = preprocessing(net(), Choices(channels="rgb"), release).settings()
    assert red["mean"] == [6, 5, 4]
    net_first = preprocessing(net(more="transform_param { mean_value: 9 }"), Choices(), release).settings()
    assert net_first["mean"] == [9]
    asked = preprocessing(net(), Choices(mean=(7.0,), resize="none", scale=2.0, size=300), release).settings()
    assert (asked["mean"], asked["resize"], asked["scale"], asked["size"]) == ([7], "none", 2, [300, 300])


GOOD_JPEG = cv2.imencode(".jpg", picture(240, 310))[1].tobytes()
DAMAGED = {
    "empty": (b"", "the file is empty"),
    "text": (b"not an image at all", r"no image \(text\)"),
    "half a JPEG": (GOOD_JPEG[: len(GOOD_JPEG) // 2], "a JPEG picture that is damaged or cut short"),
    "half a PNG": (png(picture(240, 310))[:9000], "a PNG picture that is damaged or cut short"),
}


@pytest.mark.parametrize("way", ["none", "pil-bilinear"])
@pytest.mark.parametrize(("data", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_named(data: bytes, message: str, way: str) -> None:
    if way == "pil-bilinear" and "damaged" in message:
        message = "Pillow cannot decode it"
    with pytest.raises(FileError, match=f"^pictures/a.jpg: {message}"):
        Preprocessing(resize=way).pixels(data, "pictures/a.jpg")


def test_an_image_smaller_than_the_crop_is_named() -> None:
    with pytest.raises(FileError, match=r"^a.png: 100 x 300 is too small for a crop of 224 x 224"):
        Preprocessing(resize="none").pixels(png(picture(100, 300)), "a.png")


REFUSED = {
    "two means": (net(more='transform_param { mean_value: 1 mean_file: "m" }'), Choices(), "mean_file and mean_value"),
    "no mean file": (net(), Choices(mean="none.npy"), "none.npy: no such mean file"),
    "crop": (net(), Choices(crop=200), r"want --input data=1,3,200,200 too"),
    "small size": (net(), Choices(size=100), "a crop of 224 x 224 does not fit images resized to 100 x 100"),
    "channels of mean": (net(), Choices(mean=(1.0, 2.0)), "the mean has 2 channels, the images 3"),
    "no images": (net(depth=7), Choices(), r'input "data" of net "" is \(1, 7, 224, 224\); want \(N, 3, H, W\)'),
}


@pytest.mark.parametrize(("graph", "choices", "message"), REFUSED.values(), ids=REFUSED)
def test_choices_that_cannot_be_are_refused(graph, choices: Choices, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CaffeError, match=message):
        preprocessing(graph, choices)
