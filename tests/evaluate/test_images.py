"""Where images are found, and which label belongs to which."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.labels.labels import Labels, read_labels
from caffe2py.evaluate.pictures.images import Image, Images, find_images, pair

FILES = ("b.jpg", "a/c.PNG", "a/d/e.jpeg", "a/notes.txt", "val.txt")
FOUND = ["a/c.PNG", "a/d/e.jpeg", "b.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in FILES:
        path = tmp_path / "images" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {file}")
    return tmp_path / "images"


def test_a_folder_is_searched_through(folder: Path) -> None:
    found = find_images(folder)
    assert [item.name for item in found.items] == FOUND
    assert [item.read() for item in found.items] == [f"content of {name}".encode() for name in FOUND]
    assert found.others == 2


def test_a_tar_is_read_in_place(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        tar.add(folder, arcname=".")
    found = find_images(tmp_path / "images.tar")
    assert [item.name for item in found.items] == FOUND
    assert [item.read() for item in found.items] == [f"content of {name}".encode() for name in FOUND]
    assert found.others == 2


def test_a_compressed_tar_is_refused(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar.gz", "w:gz") as tar:
        tar.add(folder, arcname=".")
    with pytest.raises(FileError, match=r"images.tar.gz: a damaged tar, or one that is compressed: unpack it"):
        find_images(tmp_path / "images.tar.gz")


@pytest.mark.parametrize("size", [-512, 1 << 40])
def test_a_tar_whose_sizes_lie_is_refused(size: int, tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.size = size
    (tmp_path / "images.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(FileError, match=r"images\.tar: .*(which are not there|a damaged tar)"):
        find_images(tmp_path / "images.tar")


def test_a_list_names_files_from_its_own_folder(folder: Path) -> None:
    (folder / "list.txt").write_text("b.jpg\n\na/c.PNG\nnowhere.jpg\n")
    found = find_images(folder / "list.txt")
    assert [(item.name, item.path is None) for item in found.items] == [
        ("b.jpg", False),
        ("a/c.PNG", False),
        ("nowhere.jpg", True),
    ]
    assert found.labels is None


def test_a_list_may_have_labels(folder: Path) -> None:
    (folder / "list.txt").write_text("b.jpg 3\na/c.PNG 4\nnowhere.jpg 5\n")
    samples, _ = pair(find_images(folder / "list.txt"), None)
    assert [(s.image.name, s.label) for s in samples] == [("b.jpg", 3), ("a/c.PNG", 4), ("nowhere.jpg", 5)]


def test_a_file_name_that_ends_like_a_label_is_a_file_name(folder: Path) -> None:
    (folder / "holiday 12").write_text("x")
    (folder / "list.txt").write_text("holiday 12\n")
    found = find_images(folder / "list.txt")
    assert [item.name for item in found.items] == ["holiday 12"] and found.labels is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "no such file or folder; want images: a folder, a tar, or a list of files"),
        (lambda p: p.mkdir(), r"no images in it \(0 other files\)"),
        (lambda p: p.write_bytes(b"\xff\xfe\x80"), "neither an image, nor a tar, nor a list of files"),
        (lambda p: p.write_text("\n"), "no images in it"),
    ],
    ids=["nothing", "empty folder", "bytes", "empty list"],
)
def test_a_source_without_images_is_an_error(make, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "source")
    with pytest.raises(FileError, match=f"source: {message}"):
        find_images(tmp_path / "source")


def test_links_that_lead_back_have_an_end(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"1")
    for place, target in (("a/b", "b"), ("b/a", "a"), ("a/self", "a"), ("b/all", ".")):
        (tmp_path / place).symlink_to(tmp_path / target)
    found = [item.name for item in find_images(tmp_path).items]
    assert found == ["a/1.png", "a/b/1.png", "b/1.png", "b/a/1.png"]


def test_a_tar_member_ends_where_it_ends(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name in ("1.png", "2.png"):
            info = tarfile.TarInfo(name)
            info.size = 700
            tar.addfile(info, io.BytesIO(name[:1].encode() * 700))
    assert [item.read() for item in find_images(tmp_path / "t.tar").items] == [b"1" * 700, b"2" * 700]


def images(*names: str, others: int = 0) -> Images:
    return Images("images", tuple(Image(name, Path(name)) for name in sorted(names)), None, others)


PAIRED = {
    "paths": (images("a/x.png", "b/x.png"), {"b/x.png": 1, "a/x.png": 2}, [("b/x.png", 1), ("a/x.png", 2)], []),
    "file names": (images("n1/x.png", "n2/y.png"), {"x.png": 1, "y.png": 2}, [("n1/x.png", 1), ("n2/y.png", 2)], []),
    "no suffix": (images("v/x.JPEG", "v/y.JPEG"), {"x": 1, "y": 2}, [("v/x.JPEG", 1), ("v/y.JPEG", 2)], []),
    "missing": (images("x.png"), {"x.png": 1, "y.png": 2}, [("x.png", 1), ("y.png", 2)], []),
    "another suffix": (
        images("x.png", "y.png"),
        {"x.png": 1, "y.jpg": 2},
        [("x.png", 1), ("y.jpg", 2)],
        ["1 images have"],
    ),
    "unlabelled": (images("x.png", "y.png", "z.png"), {"y.png": 2}, [("y.png", 2)], ["2 images have no label"]),
    "others": (images("x.png", others=3), {"x.png": 2}, [("x.png", 2)], ["3 files are no images by their suffix"]),
}


@pytest.mark.parametrize(("found", "labels", "paired", "notes"), PAIRED.values(), ids=PAIRED)
def test_labels_find_their_images(
    found: Images, labels: dict[str, int], paired: list[tuple[str, int]], notes: list[str]
) -> None:
    samples, said = pair(found, Labels(labels, "val.txt"))
    assert [(s.image.name, s.label) for s in samples] == paired
    assert [note[: len(want)] for note, want in zip(said, notes, strict=True)] == notes
    there = {item.name for item in found.items}
    assert [s.image.path is None for s in samples] == [name not in there for name, _ in paired]


def test_a_subset_leaves_out_what_is_not_there() -> None:
    samples, notes = pair(images("x.png"), Labels({"x.png": 1, "y.png": 2}, "val.txt"), subset=True)
    assert [s.image.name for s in samples] == ["x.png"]
    assert notes == ["1 labelled images are not there, and do not count"]


def test_wnid_folders_are_labels() -> None:
    samples, notes = pair(images("n02119789/x.png", "n01440764/y.png", "other/z.png"), None)
    assert [(s.image.name, s.label) for s in samples] == [
        ("n01440764/y.png", "n01440764"),
        ("n02119789/x.png", "n02119789"),
    ]
    assert notes == ["1 images lie in no folder named by a wnid, and do not count: other/z.png"]


def test_a_ground_truth_goes_by_number_or_by_order(tmp_path: Path) -> None:
    (tmp_path / "truth.txt").write_text("10\n20\n30\n")
    truth = read_labels(tmp_path / "truth.txt")
    named, _ = pair(images("ILSVRC2012_val_00000003.JPEG", "ILSVRC2012_val_00000001.JPEG"), truth, subset=True)
    assert [(s.image.name[-6], s.label) for s in named] == [("1", 10), ("3", 30)]
    ordered, _ = pair(images("c.png", "a.png", "b.png"), truth)
    assert [(s.image.name, s.label) for s in ordered] == [("a.png", 10), ("b.png", 20), ("c.png", 30)]
    with pytest.raises(CaffeError, match="3 labels without file names for 2 images; want as many"):
        pair(images("c.png", "a.png"), truth)


REFUSED = {
    "no labels": (images("x.png"), None, r"no labels: want --labels FILE, or images in folders named by wnid"),
    "none there": (images("x.png"), {"y.png": 1}, r'no image of the label file val.txt is there: it names "y.png"'),
    "two for one": (images("c/x.png"), {"a/x.png": 1, "b/x.png": 2}, r'2 labels stand for the image "c/x.png"'),
}


@pytest.mark.parametrize(("found", "labels", "message"), REFUSED.values(), ids=REFUSED)
def test_labels_that_do_not_fit_are_refused(found: Images, labels: dict[str, int] | None, message: str) -> None:
    with pytest.raises(CaffeError, match=message):
        pair(found, None if labels is None else Labels(labels, "val.txt"))
