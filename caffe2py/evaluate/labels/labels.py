"""Label files: what class each image shows, in whatever form the list came.

Read are lists of `file label` (a number or a wnid, apart by spaces, tabs or a comma), tables with a header (the
column `wnid`, else the second; Kaggle's LOC_val_solution.csv), the development kit's ground truth (a number a line,
from 1, for the validation images in order), and folders named by wnid.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from caffe2py.errors import CaffeError, FileError, Place
from caffe2py.evaluate.labels.classes import COUNT, numbers, validation_sample
from caffe2py.proto.disk.files import read_text

WNID = re.compile(r"n\d{8}")
LABEL = re.compile(r"n[0-9]{8}|-?[0-9]{1,9}")
Label = int | str  # a number, or a wnid


@dataclass(frozen=True)
class Labels:
    """The labels of a list by file name, as the list has them."""

    by_file: Mapping[str, Label]
    source: str
    positional: bool = False  # a ground truth without file names: the n-th label is the n-th image's
    order: str | None = None  # where the form of the file settles it
    first: int | None = None  # what it counts from, where the form settles it


@dataclass(frozen=True)
class Reading:
    """How numbers in a label file were read: the order, what they count from, and why."""

    order: str | None
    first: int
    why: str

    def __str__(self) -> str:
        if self.why == "wnids":
            return self.why
        return f"{f'in {self.order} order, ' if self.order else ''}from {self.first} ({self.why})"


def read_labels(path: str | os.PathLike[str]) -> Labels:
    """Read a label file of any of the forms above. Raises FileError with the line that is not understood."""
    name = os.fspath(path)
    text = read_text(path, errors="surrogateescape")
    lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise FileError("no labels in it", name)
    if all(LABEL.fullmatch(line) and line.isdigit() for _, line in lines):
        by_number = {f"ILSVRC2012_val_{i:08d}": int(line) for i, (_, line) in enumerate(lines, 1)}
        return Labels(by_number, name, positional=True, order="devkit", first=1)
    pairs = _table(lines, name) if _is_header(lines[0][1]) else [(i, *_pair(line, Place(name, i))) for i, line in lines]
    found: dict[str, Label] = {}
    for i, file, label in pairs:
        if found.setdefault(file, label) != label:
            raise FileError(f'"{file}" has label {label} here and {found[file]} before; want one', Place(name, i))
    return Labels(found, name)


def _pair(line: str, place: Place) -> tuple[str, Label]:
    found = labelled(line)
    if found is None:
        raise FileError(f'"{line[:60]}" is no label; want FILE NUMBER or FILE WNID', place)
    return _file(found[0]), _label(found[1])


def labelled(line: str) -> tuple[str, str] | None:
    """The file and the label of a line, between which are blanks or a comma; None: it has not both."""
    word = line.rsplit(None, 1)[-1].rpartition(",")[2] if line.strip() else ""
    file = line.rstrip().removesuffix(word).rstrip().removesuffix(",").strip()
    return (file, word) if file and LABEL.fullmatch(word) else None


def _is_header(line: str) -> bool:
    return "," in line and labelled(line) is None


def _table(lines: Sequence[tuple[int, str]], file: str) -> list[tuple[int, str, Label]]:
    """The rows of a CSV: a file's name first, its label in the column "wnid", else in the second one."""
    header = _cells(lines[0], file)
    column = header.index("wnid") if "wnid" in header else 1
    where = f'column "{header[column]}"' if len(header) > column else "the second column"
    found = []
    for i, line in lines[1:]:
        row = _cells((i, line), file)
        word = row[column].split()[0] if len(row) > column and row[column].split() else ""
        if not LABEL.fullmatch(word):
            raise FileError(f'"{word}" is no label; want a number or a wnid in {where}', Place(file, i))
        found.append((i, _file(row[0]), _label(word)))
    return found


def _cells(numbered: tuple[int, str], file: str) -> list[str]:
    i, line = numbered
    try:
        return next(csv.reader([line]))
    except csv.Error as error:
        raise FileError(f"is no line of a CSV: {error}", Place(file, i)) from None


def _label(word: str) -> Label:
    return word if WNID.fullmatch(word) else int(word)


def _file(name: str) -> str:
    return PurePosixPath(name.strip().strip('"')).as_posix()


def folder_label(file: str) -> str | None:
    """The wnid in a file's path: the nearest folder that is named by one."""
    for part in reversed(PurePosixPath(file).parts[:-1]):
        if WNID.fullmatch(part):
            return part
    return None


def read_order(labels: Labels, label_order: str, net_order: str | None, count: int) -> Reading:
    """How the numbers of a label file are to be read, for a net of `count` classes in `net_order`.

    `label_order` is devkit, synset or auto. Auto looks first at the form of the file, then at validation images whose
    class is known; where neither tells, the labels count as the net does.
    """
    values = [label for label in labels.by_file.values() if isinstance(label, int)]
    if not values:
        return Reading(None, 0, "wnids")
    first = labels.first if labels.first is not None else int(min(values) >= 1 and max(values) == count)
    if label_order != "auto":
        return Reading(label_order, first, "as asked")
    if labels.order is not None:
        return Reading(labels.order, labels.first or 0, "the form of the development kit's ground truth")
    known = {PurePosixPath(file).stem: label for file, label in labels.by_file.items() if isinstance(label, int)}
    sample = [(label, validation_sample()[stem]) for stem, label in known.items() if stem in validation_sample()]
    if not sample or count != COUNT:
        return Reading(net_order, first, "taken to count classes as the net does")
    for order in ("synset", "devkit"):
        for start in (0, 1):
            if all(numbers(order)[wnid] + start == label for label, wnid in sample):
                return Reading(order, start, f"{len(sample)} validation images of known class")
    raise CaffeError(
        f"the labels of {len(sample)} validation images of known class fit neither the order devkit nor synset; "
        f"want a label file of ILSVRC2012, or --label-order",
        labels.source,
    )


def class_numbers(
    labels: Mapping[str, Label], reading: Reading, net_order: str | None, count: int, source: str
) -> dict[str, int]:
    """{file: class of the net}; `reading` says how numbers count. Raises CaffeError for a label of no class."""
    orders = {order: numbers(order) for order in ("devkit", "synset")}
    wnids = {o: [w for w, _ in sorted(n.items(), key=lambda item: item[1])] for o, n in orders.items()}
    found = {}
    for file, label in labels.items():
        if isinstance(label, str):
            if count != COUNT:
                raise CaffeError(f'"{file}" is labelled {label}, and the net has {count} classes, not 1000', source)
            if label not in orders["synset"]:
                raise CaffeError(f'"{file}": {label} is none of the 1000 wnids of ILSVRC2012', source)
            found[file] = orders[net_order or "synset"][label]
            continue
        number = label - reading.first
        if not 0 <= number < count:
            raise CaffeError(
                f'"{file}" has label {label}; want {reading.first} to {count - 1 + reading.first}, '
                f"for the net has {count} classes",
                source,
            )
        if reading.order and net_order and reading.order != net_order and count == COUNT:
            number = orders[net_order][wnids[reading.order][number]]
        found[file] = number
    return found
