"""Making a bundle: the originals bit for bit, the translation, the proof, and what is known about the model."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from caffe2py.archive.bundles import bag
from caffe2py.archive.bundles.hashes import Hashes, hash_file
from caffe2py.archive.bundles.naming import bundle_date, bundle_name, seconds, versions
from caffe2py.archive.bundles.tar import move_into_tar
from caffe2py.archive.contents.card import card
from caffe2py.archive.contents.crate import FILE, crate
from caffe2py.archive.contents.facts import Facts, facts_of
from caffe2py.archive.contents.info import NOTHING_KNOWN, Info, info_of
from caffe2py.errors import FileError
from caffe2py.evaluate.releases.identification import release_of
from caffe2py.evaluate.releases.registry import releases
from caffe2py.graph import Graph
from caffe2py.graph.load import load
from caffe2py.layers.base import Shape
from caffe2py.proto.disk.alias import Alias
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.disk.files import read_text
from caffe2py.proto.disk.staging import check_target, publish, staged
from caffe2py.version import __version__

if TYPE_CHECKING:
    from caffe2py.archive.contents.contents import Progress, Proof

FORMAT = "caffe2py-bundle/1"
SEED = 2017
Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Choices:
    """What of a net is translated: the arguments of `caffe2py.load`."""

    phase: str = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()
    inputs: Mapping[str, Shape] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    dialect: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    ignore_unknown_fields: bool = False

    def load(self, prototxt: Path, caffemodel: Path) -> Graph:
        """The graph, which tells its files by their names alone: what it says goes into bundles."""
        files = (Alias(file, file.name) for file in (prototxt, caffemodel))
        return load(*files, **{f: getattr(self, f) for f in self.__dataclass_fields__})


DEPLOYED = Choices()


@dataclass(frozen=True)
class Created:
    """What `create` made. `ok` is the outcome of the verification, `proof` that in words."""

    path: Path
    name: str
    net: str
    files: int
    size: int
    recorded_by: str
    ok: bool
    proof: str
    identified: str
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()  # the notes on files that could not be made


def create(
    prototxt: Path_,
    caffemodel: Path_,
    out: Path_,
    *,
    against: Path_ | None = None,
    info: Info = NOTHING_KNOWN,
    choices: Choices = DEPLOYED,
    seed: int = SEED,
    date: str | None = None,
    progress: Progress | None = None,
) -> Created:
    """Make the bundle `out`: a plain tar where that is its suffix, else a folder. See docs/archive.md for its layout.

    `against` is a dump recorded in Caffe; without one our own activations are recorded for an input drawn from `seed`.
    `date` (YYYY-MM-DD, or a time in ISO 8601) is written where it is given, or SOURCE_DATE_EPOCH is set: the same
    inputs make the same bytes. `out` appears whole or not at all. Raises `CaffeError` where the net cannot be read or
    translated, and where `out` cannot be written; a verification that fails is no error, but `Created.ok` is False.
    """
    target = Path(out)
    check_target(target)
    if re.fullmatch(r"\.(gz|xz|bz2|zst|zip|tgz)", target.suffix):
        raise FileError(f'a bundle is a folder or a plain .tar, and not "{target.suffix}"', str(out))
    date = bundle_date(date)
    with staged(target) as folder, _Maker(folder / "bundle") as maker:
        done = maker.make(
            Path(prototxt), Path(caffemodel), Path(against) if against else None, info, choices, seed, date, progress
        )
        made = folder / "bundle"
        if target.suffix == ".tar":
            files = {f"{done.name}/{path}": made / path for path in maker.every_file()}
            move_into_tar(folder / "bundle.tar", files, seconds(date))
            made = folder / "bundle.tar"
        publish(made, target)
    return Created(path=target, **done.said)


@dataclass(frozen=True)
class _Done:
    name: str
    said: dict[str, Any]


class _Maker:
    """A bundle in the making: its proof is made beside its translation, and each file hashed once it is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hashes: dict[str, Future[Hashes]] = {}  # by path in data/
        self.what: dict[str, str] = {}
        self.hasher, self.prover = ThreadPoolExecutor(2), ThreadPoolExecutor(1)
        self.given_up = Event()

    def __enter__(self) -> _Maker:
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the threads; after an error they are to end soon."""
        if error[0] is not None:
            self.given_up.set()
        for pool in (self.prover, self.hasher):
            pool.shutdown(cancel_futures=True)

    def make(
        self,
        prototxt: Path,
        caffemodel: Path,
        against: Path | None,
        info: Info,
        choices: Choices,
        seed: int,
        date: str | None,
        progress: Progress | None,
    ) -> _Done:
        name = bundle_name(prototxt)
        for part in ("original", "schema", "converted", "verify"):
            self.path(part).mkdir(parents=True)
        kept = self.keep_originals({"prototxt": prototxt, "caffemodel": caffemodel}, choices.plugins)
        from caffe2py.archive.contents import contents  # torch is read while the originals are being hashed

        graph = choices.load(self.path(kept["prototxt"]), self.path(kept["caffemodel"]))
        proving = self.prover.submit(
            contents.write_proof, graph, self.path("verify"), against, seed, self.watched(progress)
        )
        release, why = release_of(graph, releases())
        known = (info_of(release) if release else NOTHING_KNOWN).given(info)
        kept |= self.keep_originals(known.files())
        self.path("schema/caffe.proto").write_bytes(contents.schema())
        self.add("schema/caffe.proto", "Caffe's schema: what the original files mean, field by field")
        facts = facts_of(graph)
        missing = self.translate(graph, facts, read_labels(known.labels))
        proof = self.take_proof(proving.result())
        missing |= proof.missing
        originals = {path: self.hashes[path].result() for path in kept.values()}
        lacks = [f"{path} could not be made: {w}" for path, w in missing.items()]
        notes = [*graph.notes, *([why] if why else []), *lacks]
        history = self.history(name, choices, seed, date, kept, originals, against, proof, missing)
        history["identified"] = release.name if release and not why else None
        history["info"] = _plain(known)
        history["facts"] = {"net": facts.net, "parameters": facts.parameters, "multiply_adds": facts.multiply_adds}
        history["notes"] = notes
        contents.write_json(self.path("history.json"), history)
        self.add("history.json", "who converted what, with which versions, from which hashes")
        self.describe(name, known, facts, originals, proof, date, notes)
        self.write_tags(name, known, date, kept["caffemodel"])
        said = {
            "name": name,
            "net": graph.name,
            "files": len(self.every_file()),
            "size": sum((self.folder / path).stat().st_size for path in self.every_file()),
            "recorded_by": proof.recorded_by,
            "ok": proof.report.ok,
            "proof": proof.said,
            "identified": release.name if release and not why else "",
            "notes": tuple(notes),
            "lacks": tuple(lacks),
        }
        return _Done(name, said)

    def path(self, path: str) -> Path:
        return self.folder / "data" / path

    def add(self, path: str, what: str) -> None:
        """Take a file that is there into the payload."""
        self.what[path] = what
        self.hashes[path] = self.hasher.submit(hash_file, self.path(path))

    def keep_originals(self, files: Mapping[str, Path], plugins: Sequence[str] = ()) -> dict[str, str]:
        """Copy files bit for bit; returns where each kind lies."""
        kept = {}
        for kind, file in [*files.items(), *((f"plugin {i}", Path(p)) for i, p in enumerate(plugins, 1))]:
            path = f"original/{file.name}"
            if fault := bag.unsafe(path):
                raise FileError(f"{fault}; want it renamed", str(file))
            if path in self.what or self.path(path).exists():
                raise FileError(f'two of the originals have the name "{file.name}"; want them renamed', str(file))
            copy(file, self.path(path))
            self.add(path, f"the original {kind.replace('_', ' ')}, bit for bit")
            kept[kind] = path
        return kept

    def translate(self, graph: Graph, facts: Facts, labels: Sequence[str]) -> dict[str, str]:
        from caffe2py.archive.contents.contents import write_translation

        missing = write_translation(graph, self.path("converted"), facts, labels)
        what = {
            "model.safetensors": "the weights, as model.py names them",
            "model.py": "the net as source that imports torch alone",
            "model.onnx": "the net and its weights in ONNX",
            "model.onnx.data": "the weights of model.onnx",
            "config.json": "inputs, outputs and preprocessing in plain values",
        }
        for file in sorted(self.path("converted").iterdir()):
            self.add(f"converted/{file.name}", what[file.name])
        return missing

    def watched(self, progress: Progress | None) -> Progress:
        """The progress, ended where nobody waits for the proof any more."""

        def walk(items: Iterable[Any], what: str, total: int) -> Iterator[Any]:
            for item in progress(items, what, total) if progress else items:
                if self.given_up.is_set():
                    raise CancelledError
                yield item

        return walk

    def take_proof(self, proof: Proof) -> Proof:
        what = {
            "input.safetensors": "the input that the activations belong to",
            proof.dump: f"every layer's activations, recorded by {proof.recorded_by}",
            "report.json": "the translation compared with the activations, value by value",
            "report.html": "the same, to look at",
        }
        for file in sorted(self.path("verify").iterdir()):
            self.add(f"verify/{file.name}", what[file.name])
        return proof

    def history(
        self,
        name: str,
        choices: Choices,
        seed: int,
        date: str | None,
        kept: Mapping[str, str],
        originals: Mapping[str, Hashes],
        against: Path | None,
        proof: Proof,
        missing: Mapping[str, str],
    ) -> dict[str, Any]:
        from caffe2py.archive.contents.contents import STYLE

        said = asdict(choices) | {"plugins": [Path(p).name for p in choices.plugins]}
        return {
            "format": FORMAT,
            "name": name,
            "made_by": f"caffe2py {__version__}",
            "made_on": date,
            "versions": versions(),
            "choices": said,
            "originals": [{"kind": kind, "file": path, **asdict(originals[path])} for kind, path in kept.items()],
            "converted": [
                {"file": path, **asdict(each.result())}
                for path, each in self.hashes.items()
                if path.startswith("converted/")
            ],
            "not_made": dict(missing),
            "activations": {
                "file": f"verify/{proof.dump}",
                "recorded_by": proof.recorded_by,
                "given_as": against.name if against else None,
                "seed": None if against else seed,
                **asdict(self.hashes[f"verify/{proof.dump}"].result()),
            },
            "verification": {"ok": proof.report.ok, "verdict": proof.report.verdict, "style": STYLE},
        }

    def describe(
        self,
        name: str,
        info: Info,
        facts: Facts,
        originals: Mapping[str, Hashes],
        proof: Proof,
        date: str | None,
        notes: Sequence[str],
    ) -> None:
        """The card and the RO-Crate."""
        from caffe2py.archive.contents.contents import write_json

        self.what |= {"README.md": "the model card", FILE: "what is in here, for machines (RO-Crate)"}
        contents = sorted(self.what.items())
        text = card(info, facts, originals, contents, proof.said, notes)
        self.path("README.md").write_bytes(text.encode("utf-8", "backslashreplace"))
        self.add("README.md", self.what["README.md"])
        files = {path: each.result() for path, each in self.hashes.items()}
        write_json(self.path(FILE), crate(name, info, facts, files, contents, list(originals), date, proof.said))
        self.add(FILE, self.what[FILE])

    def write_tags(self, name: str, info: Info, date: str | None, weights: str) -> None:
        """BagIt's own files."""
        payload = {f"{bag.PAYLOAD}{path}": each.result() for path, each in self.hashes.items()}
        said = {
            "Bag-Software-Agent": f"caffe2py {__version__}",
            "External-Identifier": payload[f"{bag.PAYLOAD}{weights}"].swhid,
            "External-Description": info.title or name,
            **({"Bagging-Date": date[:10]} if date else {}),
        }
        tags = {"bagit.txt": bag.DECLARATION, "bag-info.txt": bag.bag_info(said, payload)}
        tags |= {f"manifest-{name}.txt": bag.manifest(payload, name) for name in bag.ALGORITHMS}
        for file, content in tags.items():
            (self.folder / file).write_bytes(content)
        hashes = {file: hash_file(self.folder / file) for file in tags}
        for algorithm in bag.ALGORITHMS:
            (self.folder / f"tagmanifest-{algorithm}.txt").write_bytes(bag.manifest(hashes, algorithm))

    def every_file(self) -> list[str]:
        tags = ("bagit.txt", "bag-info.txt", *bag.MANIFESTS, *bag.TAG_MANIFESTS)
        return [*tags, *(f"{bag.PAYLOAD}{path}" for path in self.hashes)]


def copy(source: Path, target: Path) -> None:
    """A file's bytes; its times and rights are not kept. `FileError` is the source's, `OSError` the target's."""
    try:
        open(source, "rb").close()
    except OSError as error:
        raise FileError(reason(error), str(source)) from None
    shutil.copyfile(source, target)


def read_labels(file: Path | None) -> list[str]:
    """The classes of a label file: a line each."""
    if file is None:
        return []
    return [line.strip() for line in read_text(file, errors="replace").splitlines() if line.strip()]


def _plain(info: Info) -> dict[str, Any]:
    """What is known, in plain values; files by their names."""
    return {key: value.name if isinstance(value, Path) else value for key, value in asdict(info).items()}
