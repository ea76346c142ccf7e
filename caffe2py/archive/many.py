"""A folder of models: a bundle of each, and an index of them as a table and as a page to look at."""

from __future__ import annotations

import csv
import html
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from caffe2py.archive.bundles.hashes import hash_file
from caffe2py.archive.bundles.naming import bundle_name
from caffe2py.archive.contents.info import NOTHING_KNOWN, Info, read_info
from caffe2py.archive.extraction import describe
from caffe2py.archive.making import create
from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.disk.damage import damage_told
from caffe2py.proto.disk.files import keep_others, written_whole
from caffe2py.proto.disk.staging import make_folder, remove_leftovers

MADE, KEPT, UNVERIFIED, FAILED = "made", "was there already", "made, not verified", "failed"
NO_DEPLOY = re.compile(r"solver|train|val(?!ue)", re.IGNORECASE)
Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Pair:
    """A caffemodel and the prototxt that goes with it; `why` says what is wrong where there is none."""

    name: str
    caffemodel: Path
    prototxt: Path | None
    why: str = ""


@dataclass(frozen=True)
class Entry:
    """A line of the index."""

    name: str
    status: str
    bundle: str = ""
    net: str = ""
    parameters: int | None = None
    licence: str = ""
    source: str = ""
    recorded_by: str = ""
    verification: str = ""
    size: int | None = None
    sha256: str = ""
    caffemodel: str = ""
    caffemodel_sha256: str = ""
    caffemodel_swhid: str = ""
    error: str = ""


INDEX, INDEX_PAGE, TITLE = "index.csv", "index.html", "Caffe models, archived"
HEADER = ",".join(f.name for f in fields(Entry)) + "\n"


def create_all(
    folder: Path_,
    out: Path_,
    *,
    info: Info = NOTHING_KNOWN,
    date: str | None = None,
    walk: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
) -> list[Entry]:
    """Make `NAME.tar` in the folder `out` of each model in `folder`, and index.csv and index.html of them all.

    A model is a caffemodel with a prototxt beside it: of the same name, else the only one there that is for deployment.
    `NAME.toml` beside it says what is known about it, `NAME.activations.h5` (or .npz) is a dump of Caffe. A bundle that
    is there already, of the same files, is kept. One that cannot be made is listed with the reason, and the rest go on.
    Raises `FileError` where there is no caffemodel in the folder.
    """
    source, target = Path(folder), Path(out)
    if not source.is_dir():
        raise FileError("is no folder; want one of prototxts and caffemodels", str(folder))
    pairs = find_pairs(source, target)
    if not pairs:
        raise FileError("holds no caffemodel", str(folder))
    for name, mark in ((INDEX, HEADER.encode()), (INDEX_PAGE, TITLE.encode())):
        keep_others(target / name, mark)
    make_folder(target)
    remove_leftovers(target)
    entries = [_make(pair, target, info, date) for pair in walk(pairs)]
    write_index(entries, target)
    return entries


def find_pairs(folder: Path, out: Path | None = None) -> list[Pair]:
    """The models below a folder, sorted by their place; what lies in `out` is left aside."""
    found = [
        file
        for pattern in ("*.caffemodel", "*.caffemodel.h5")
        for file in folder.rglob(pattern)
        if file.is_file() and not (out is not None and out.absolute() in file.absolute().parents)
    ]
    pairs = [_pair(file) for file in sorted(found)]
    for name_of in (_place, _whole_place):  # models of one name are told apart by their folders
        names = Counter(pair.name for pair in pairs)
        pairs = [replace(p, name=name_of(p.caffemodel, folder)) if names[p.name] > 1 else p for p in pairs]
    return pairs


def _pair(caffemodel: Path) -> Pair:
    stem = caffemodel.name.partition(".caffemodel")[0]
    texts = sorted(caffemodel.parent.glob("*.prototxt"))
    same = [t for t in texts if t.stem == stem] or [
        t for t in texts if re.fullmatch(re.escape(stem) + r"[-_.](deploy|test)", t.stem)
    ]
    deploy = same or [t for t in texts if t.stem == "deploy"] or [t for t in texts if not NO_DEPLOY.search(t.stem)]
    name = bundle_name(Path(f"{stem}.prototxt"))
    if len(deploy) == 1:
        return Pair(name, caffemodel, deploy[0])
    fact = f"{len(deploy)} prototxts beside it may be its net" if deploy else "no prototxt beside it"
    return Pair(name, caffemodel, None, f"{caffemodel.name}: {fact}; want {stem}.prototxt")


def _place(file: Path, folder: Path) -> str:
    """A model's folders and name, as one name."""
    return _whole_place(file.with_name(file.name.partition(".caffemodel")[0]), folder)


def _whole_place(file: Path, folder: Path) -> str:
    """The same with its suffix."""
    return re.sub(r"[^0-9A-Za-z._+-]+", "_", "-".join(file.relative_to(folder).parts)).strip("._")


def _make(pair: Pair, out: Path, info: Info, date: str | None) -> Entry:
    target = out / f"{pair.name}.tar"
    try:
        if pair.prototxt is None:
            raise FileError(pair.why)
        beside = pair.caffemodel.with_name(f"{pair.caffemodel.name.partition('.caffemodel')[0]}.toml")
        known = info.given(read_info(beside)) if beside.is_file() else info
        if target.exists():
            describe(target)  # raises where it is no bundle, and so not to be replaced
        if _is_there(target, pair):
            return _entry(pair.name, KEPT, target)
        made = create(pair.prototxt, pair.caffemodel, target, against=_dump(pair), info=known, date=date)
        return _entry(pair.name, MADE if made.ok else UNVERIFIED, target)
    except (CaffeError, MemoryError) as error:
        return Entry(pair.name, FAILED, caffemodel=pair.caffemodel.name, error=str(error) or type(error).__name__)
    except Exception as error:  # a fault of ours in one model must not cost the others
        return Entry(
            pair.name,
            FAILED,
            caffemodel=pair.caffemodel.name,
            error=f"internal error ({type(error).__name__}: {error})",
        )


def _dump(pair: Pair) -> Path | None:
    stem = pair.caffemodel.name.partition(".caffemodel")[0]
    found = [pair.caffemodel.with_name(f"{stem}.activations{suffix}") for suffix in (".h5", ".npz")]
    return next((file for file in found if file.is_file()), None)


def _is_there(target: Path, pair: Pair) -> bool:
    """Is the bundle there, made of these very files?"""
    try:
        with damage_told(target, "bundle"):
            said = {each["kind"]: each["sha256"] for each in describe(target)["originals"]}
    except CaffeError:
        return False
    files = {"prototxt": pair.prototxt, "caffemodel": pair.caffemodel}
    return all(file is not None and said.get(kind) == hash_file(file).sha256 for kind, file in files.items())


def _entry(name: str, status: str, bundle: Path) -> Entry:
    said = describe(bundle)
    caffemodel = next(each for each in said["originals"] if each["kind"] == "caffemodel")
    hashes = hash_file(bundle)
    return Entry(
        name=name,
        status=status,
        bundle=bundle.name,
        net=said["facts"]["net"],
        parameters=said["facts"]["parameters"],
        licence=said["info"]["licence"],
        source=said["info"]["source"],
        recorded_by=said["activations"]["recorded_by"],
        verification=said["verification"]["verdict"],
        size=hashes.size,
        sha256=hashes.sha256,
        caffemodel=Path(caffemodel["file"]).name,
        caffemodel_sha256=caffemodel["sha256"],
        caffemodel_swhid=caffemodel["swhid"],
    )


def write_index(entries: Sequence[Entry], folder: Path) -> None:
    """index.csv, and index.html to look at."""
    with written_whole(folder / INDEX) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        file.write(HEADER)
        table = csv.writer(file, lineterminator="\n")
        table.writerows([_cell(value) for value in asdict(entry).values()] for entry in entries)
    with written_whole(folder / INDEX_PAGE) as temporary:
        temporary.write_text(_page(entries), encoding="utf-8")


def _cell(value: Any) -> str:
    """A value for a table: no text that a spreadsheet would take for a formula."""
    said = "" if value is None else " ".join(str(value).split()).encode("utf-8", "backslashreplace").decode()
    return f"'{said}" if said.startswith(("=", "+", "-", "@")) else said


PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .3em .8em; border-bottom: 1px solid #ddd; }}
td.number {{ text-align: right; }}
tr.failed td {{ background: #fdecea; }}
code {{ font-size: 12px; color: #555; }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
<table>
<tr><th>model<th>net<th>parameters<th>bytes<th>licence<th>verification
{rows}
</table>
</html>
"""


def _page(entries: Sequence[Entry]) -> str:
    counts = Counter(entry.status for entry in entries)
    summary = f"{len(entries)} models: " + ", ".join(f"{n} {status}" for status, n in counts.items())
    return PAGE.format(title=TITLE, summary=html.escape(summary), rows="\n".join(map(_row, entries)))


def _row(entry: Entry) -> str:
    def said(text: str) -> str:
        return html.escape(text.encode("utf-8", "backslashreplace").decode())

    if entry.status == FAILED:
        return f'<tr class="failed"><td>{said(entry.name)}<td colspan="5">failed: {said(entry.error)}'
    link = f'<a href="{said(entry.bundle)}">{said(entry.name)}</a><br><code>sha256 {entry.sha256}</code>'
    proof = f"{said(entry.verification)} (activations recorded by {said(entry.recorded_by)})"
    numbers = f'<td class="number">{entry.parameters or 0:,}<td class="number">{entry.size or 0:,}'
    return f"<tr><td>{link}<td>{said(entry.net)}{numbers}<td>{said(entry.licence) or 'unknown'}<td>{proof}"
