"""Where images are: a folder, a tar, a list of files; and which of them a label file names."""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from caffe2py.errors import CaffeError, FileError
from caffe2py.evaluate.labels.labels import Label, Labels, folder_label, labelled, read_labels
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.disk.tars import members

SUFFIXES = frozenset(".jpg .jpeg .jpe .png .bmp .webp .tif .tiff .gif .ppm .pgm .pbm .pnm .jp2".split())


@dataclass(frozen=True)
class Image:
    """An encoded image: a file, or `size` bytes from `offset` of a tar. `path` is None where there is none."""

    name: str
    path: Path | None
    offset: int = 0
    size: int = -1

    def read(self) -> bytes:
        """The encoded bytes. Raises FileError."""
        if self.path is None:
            raise FileError("no such image", self.name)
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as error:
            raise FileError(reason(error), self.name) from None


@dataclass(frozen=True)
class Images:
    """The images of one source, sorted by name; `others` counts the files that are no images by their suffix."""

    source: str
    items: tuple[Image, ...]
    labels: Labels | None = None  # where the source was a list that has them
    others: int = 0


@dataclass(frozen=True)
class Sample:
    """An image with the class it shows, as the label file has it."""

    image: Image
    label: Label


def images_of(source: str | os.PathLike[str]) -> Sequence[Image]:
    """One file under the name that it was given by, or all images of a folder or tar. Raises FileError."""
    path = Path(source)
    if path.is_file() and path.suffix.lower() != ".tar":
        return [Image(os.fspath(source), path)]
    return find_images(source).items


def find_images(source: str | os.PathLike[str]) -> Images:
    """The images of a folder (searched through), of a tar, of a list of files, or one image.

    A list names a file a line, from its own folder on, with or without a label. Raises FileError where there is none.
    """
    path = Path(source)
    name = os.fspath(source)
    labels = None
    if path.is_dir():
        items, others = _folder(path)
    elif not path.is_file():
        raise FileError("no such file or folder; want images: a folder, a tar, or a list of files", name)
    elif _is_tar(path):
        items, others = _tar(path)
    elif path.suffix.lower() in SUFFIXES:
        items, others = [Image(path.name, path)], 0
    else:
        items, labels = _list(path)
        others = 0
    if not items:
        raise FileError(f"no images in it ({others} other files)", name)
    return Images(name, tuple(items), labels, others)


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except OSError as error:
        raise FileError(reason(error), str(path)) from None


def _folder(root: Path) -> tuple[list[Image], int]:
    """What is below a folder, links followed, but for those that lead back to where they are."""
    items, others = [], 0
    above = {os.fspath(root): frozenset([_identity(root)])}  # of a folder, itself and those it is in
    for folder, inner, files in os.walk(root, followlinks=True):
        known = above.pop(folder)
        found = {name: _identity(Path(folder, name)) for name in inner}
        inner[:] = sorted(name for name, one in found.items() if one not in known)
        above |= {os.path.join(folder, name): known | {found[name]} for name in inner}
        for file in files:
            path = Path(folder, file)
            if path.suffix.lower() in SUFFIXES:
                items.append(Image(path.relative_to(root).as_posix(), path))
            else:
                others += 1
    return sorted(items, key=lambda item: item.name), others


def _identity(folder: Path) -> tuple[int, int]:
    try:
        state = os.stat(folder)
    except OSError as error:
        raise FileError(reason(error), str(folder)) from None
    return state.st_dev, state.st_ino


def _tar(path: Path) -> tuple[list[Image], int]:
    items, others = [], 0
    for member in members(path):
        if member.isfile() and PurePosixPath(member.name).suffix.lower() in SUFFIXES:
            name = PurePosixPath(member.name).as_posix()
            items.append(Image(name, path, member.offset_data, member.size))
        elif member.isfile():
            others += 1
    return sorted(items, key=lambda item: item.name), others


def _list(path: Path) -> tuple[list[Image], Labels | None]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise FileError("neither an image, nor a tar, nor a list of files", str(path)) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    with_labels = [line for line in lines if labelled(line) and not os.path.exists(path.parent / line)]
    labels = read_labels(path) if lines and len(with_labels) == len(lines) else None
    names = list(labels.by_file) if labels else lines
    found = [(name, path.parent / name) for name in names]
    return [Image(name, file if os.path.isfile(file) else None) for name, file in found], labels


def pair(images: Images, labels: Labels | None, subset: bool = False) -> tuple[list[Sample], list[str]]:
    """Each labelled image once, in the label file's order, and notes on what was left out.

    The label file says what is evaluated: a labelled image that is not there stays in the list, without a path, and
    `subset` leaves it out. Without labels the folders' names count, which must be wnids. Raises CaffeError.
    """
    labels = labels or images.labels
    notes = [f"{images.others} files are no images by their suffix"] if images.others else []
    if labels is None:
        named = [(item, folder_label(item.name)) for item in images.items]
        samples = [Sample(item, wnid) for item, wnid in named if wnid]
        if not samples:
            raise CaffeError("no labels: want --labels FILE, or images in folders named by wnid", images.source)
        without = [item.name for item, wnid in named if not wnid]
        return samples, notes + _told(without, "images lie in no folder named by a wnid")
    if labels.positional and not any(_stem(item.name) in labels.by_file for item in images.items):
        if len(images.items) != len(labels.by_file):
            raise CaffeError(
                f"{len(labels.by_file)} labels without file names for {len(images.items)} images; want as many",
                labels.source,
            )
        samples = [Sample(item, label) for item, label in zip(images.items, labels.by_file.values(), strict=True)]
        return samples, notes
    find = _finder(images.items)
    samples = [Sample(find(file), label) for file, label in labels.by_file.items()]
    present = [sample for sample in samples if sample.image.path is not None]
    if not present:
        some = f'"{next(iter(labels.by_file))}", and there is "{images.items[0].name}"'
        raise CaffeError(f"no image of the label file {labels.source} is there: it names {some}", images.source)
    used = Counter(sample.image.name for sample in present)
    twice = [name for name, times in used.items() if times > 1]
    if twice:
        raise CaffeError(f'{used[twice[0]]} labels stand for the image "{twice[0]}"; want one', labels.source)
    notes += _told([item.name for item in images.items if item.name not in used], "images have no label")
    if subset:
        if len(present) < len(samples):
            notes.append(f"{len(samples) - len(present)} labelled images are not there, and do not count")
        samples = present
    return samples, notes


def _finder(items: Sequence[Image]) -> _Finder:
    return _Finder(
        {item.name: item for item in items},
        _unique(items, lambda name: PurePosixPath(name).name),
        _unique(items, _stem),
    )


@dataclass(frozen=True)
class _Finder:
    """Finds an image by its path, by its file name, or by its file name without suffix, where that names one only."""

    paths: Mapping[str, Image]
    names: Mapping[str, Image]
    stems: Mapping[str, Image]

    def __call__(self, file: str) -> Image:
        name = PurePosixPath(file).name
        return (
            self.paths.get(file)
            or self.names.get(name)
            or (None if PurePosixPath(name).suffix.lower() in SUFFIXES else self.stems.get(name))
            or Image(file, None)
        )


def _unique(items: Iterable[Image], key: Callable[[str], str]) -> dict[str, Image]:
    keys = [(key(item.name), item) for item in items]
    counts = Counter(k for k, _ in keys)
    return {k: item for k, item in keys if counts[k] == 1}


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _told(names: Sequence[str], what: str) -> list[str]:
    return [f"{len(names)} {what}, and do not count: {names[0]}{' ...' if len(names) > 1 else ''}"] if names else []
