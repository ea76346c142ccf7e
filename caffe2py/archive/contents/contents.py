"""What lies in a bundle's payload, made from a net: the translation, the proof, and the schema."""

from __future__ import annotations

import ctypes
import json
import mmap
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.archive.contents.facts import Facts, config
from caffe2py.backends.files import onnx_file
from caffe2py.backends.files.safetensors_file import write_tensors
from caffe2py.backends.provenance import provenance
from caffe2py.backends.torch.device import one_thread
from caffe2py.backends.torch.source import program
from caffe2py.backends.torch.state import state_dict
from caffe2py.errors import FileError, NetError, UnsupportedError
from caffe2py.graph import Graph
from caffe2py.layers.base import count
from caffe2py.picture.extras import PAGES, lacking
from caffe2py.proof.dumps.binding import bind_dump
from caffe2py.proof.dumps.reading import open_dump
from caffe2py.proof.record import noise, record
from caffe2py.proof.reports.report import Report
from caffe2py.proof.verify import verify

WHOLE = 1 << 22  # activations of up to so many values are kept whole; of larger nets SAMPLES of each blob
SAMPLES = 256
TRIM = 32  # layers, after which memory is given back
STYLE = "readable"  # of model.py, and so of what is verified
OURS, CAFFES = "caffe2py", "Caffe"

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


@dataclass(frozen=True)
class Proof:
    """What was verified against what. `said` is a sentence for the card."""

    dump: str
    recorded_by: str  # "Caffe" or "caffe2py"
    report: Report
    said: str
    missing: Mapping[str, str] = field(default_factory=dict)  # files that could not be made, and why


def schema() -> bytes:
    """Caffe's schema as text: inside the installed package; beside it in a checkout."""
    package = Path(str(resources.files("caffe2py")))
    installed = package / "data" / "caffe.proto"
    return (installed if installed.is_file() else package.parent / "protos" / "caffe.proto").read_bytes()


def write_weights_and_source(graph: Graph, folder: Path, facts: Facts, labels: Sequence[str] = ()) -> list[str]:
    """model.safetensors, model.py that reads it, and config.json; returns their names."""
    made = program(graph, STYLE, "model.safetensors")
    (folder / "model.py").write_text(made.source, encoding="utf-8")
    tensors = state_dict(made)
    write_tensors(folder / "model.safetensors", tensors, {"format": "pt", **provenance(graph)})
    write_json(folder / "config.json", config(facts, tuple(labels)))
    return ["model.safetensors", "model.py", "config.json"]


def write_translation(graph: Graph, folder: Path, facts: Facts, labels: Sequence[str] = ()) -> dict[str, str]:
    """All converted files. Returns {file: why} of those that this net cannot have.

    Raises `UnsupportedError` where there is no PyTorch for the net.
    """
    write_weights_and_source(graph, folder, facts, labels)
    try:
        onnx_file.write(graph, folder / "model.onnx")
    except (UnsupportedError, NetError) as error:
        return {"converted/model.onnx": str(error)}
    return {}


def write_proof(graph: Graph, folder: Path, against: Path | None, seed: int, progress: Progress | None = None) -> Proof:
    """The activations (a copy of `against`, or our own for a seeded input), the input, and the report of `verify`.

    The emitted text of `model.py` is what is verified: against Caffe where Caffe recorded, else against our own run of
    the net layer by layer, with Caffe's own blobs.
    """
    if against is not None and not against.is_file():
        raise FileError("is no file; want a dump of activations in one file", str(against))
    dump = folder / f"activations{against.suffix if against else '.npz'}"
    with one_thread():
        if against is not None:
            shutil.copyfile(against, dump)
            with open_dump(dump) as opened:
                inputs = bind_dump(opened, graph).inputs
        else:
            inputs = _record(graph, dump, seed, progress)
        write_tensors(folder / "input.safetensors", _plain(inputs), {})
        report = replace(verify(graph, dump, style=STYLE, progress=trimmed(progress, graph)), seconds=0.0)
    (folder / "report.json").write_bytes((report.to_json() + "\n").encode("utf-8", "backslashreplace"))
    missing = _write_html(report, folder / "report.html")
    who = CAFFES if against else OURS
    return Proof(dump.name, who, report, f"{_recorded(who)} {_upper(report.verdict)}.", missing)


def _record(graph: Graph, dump: Path, seed: int, progress: Progress | None) -> dict[str, np.ndarray]:
    """Write our own activations on a seeded input; returns the input."""
    inputs = {blob: _picture_or_index(array) for blob, array in noise(graph, seed).items()}
    values = sum(count(shape) for shape in graph.shapes.values() if shape is not None)
    record(graph, inputs, dump, None if values <= WHOLE else SAMPLES, progress=trimmed(progress, graph))
    return inputs


def _picture_or_index(array: np.ndarray) -> np.ndarray:
    """Noise as of pictures less their mean; for other blobs 0 to 1, which every layer takes as index or label 0."""
    picture = array.ndim == 4 and min(array.shape[2:]) > 1
    return array if picture else (array + np.float32(128)) / np.float32(256)


def _recorded(who: str) -> str:
    if who == CAFFES:
        return "The translation was compared with activations that were given as recorded in Caffe."
    return (
        "No activations of Caffe were given: the translation was compared with caffe2py's own run of the net, "
        "layer by layer, on a seeded input."
    )


def _upper(said: str) -> str:
    return said[:1].upper() + said[1:]


def _write_html(report: Report, path: Path) -> dict[str, str]:
    """The report as a page; {file: why} where what draws it is not installed."""
    if why := lacking(PAGES):
        return {f"verify/{path.name}": why}
    report.to_html(path)
    return {}


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {blob: array.astype("float32") for blob, array in inputs.items()}


def write_json(path: Path, content: Any) -> None:
    """JSON with two spaces; names that were no UTF-8 as escapes."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def maps_of(graph: Graph) -> list[mmap.mmap]:
    """The maps that the weights lie in."""
    maps = set()
    for _, _, weight in graph.owned_weights():
        held: Any = weight.data
        while isinstance(held, np.ndarray | memoryview):
            held = held.base if isinstance(held, np.ndarray) else held.obj
        if isinstance(held, mmap.mmap):
            maps.add(held)
    return list(maps)


def trimmed(progress: Progress | None, graph: Graph) -> Progress:
    """The progress, giving memory back on the way: weights that were used, and activations that glibc keeps.

    Weights are read again when they are asked for. Their maps are private, and a write to them would be lost: this is
    for graphs that nobody else has.
    """

    def walk(items: Iterable[Any], what: str, total: int) -> Iterator[Any]:
        trim, maps = _trim(), [each for each in maps_of(graph) if hasattr(each, "madvise")]
        for i, item in enumerate(progress(items, what, total) if progress else items):
            yield item
            if i % TRIM == 0:
                trim()
                for each in maps:
                    each.madvise(mmap.MADV_DONTNEED)

    return walk


def _trim() -> Callable[[], object]:
    try:
        return partial(ctypes.CDLL(None).malloc_trim, 0)
    except (AttributeError, OSError, TypeError):  # another C library
        return lambda: None
