"""Is a bundle still what it was, and does what it claims still hold? A finding for each question."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from caffe2py.archive.bundles import bag
from caffe2py.archive.bundles.bundle import HISTORY, Bundle, open_bundle
from caffe2py.archive.bundles.hashes import Hashes
from caffe2py.archive.contents.crate import FILE, crate_files
from caffe2py.errors import LINE, CaffeError, FileError, shown
from caffe2py.proto.disk.damage import reason
from caffe2py.proto.disk.staging import staged

OK, FAILED, NOT_CHECKED = "ok", "FAILED", "not checked"
MOST = 8  # faults told one by one


@dataclass(frozen=True)
class Finding:
    """One question and its answer: `status` is "ok", "FAILED" or "not checked"."""

    what: str
    status: str
    said: str

    def __str__(self) -> str:
        return f"{self.what:<12} {self.status:<12} {shown(self.said, LINE)}"


@dataclass(frozen=True)
class Checked:
    """What `check` found."""

    path: str
    name: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return all(each.status != FAILED for each in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"bundle": self.path, "name": self.name, "ok": self.ok, "findings": [asdict(f) for f in self.findings]}


class Fault(Exception):
    """Why an answer is no."""


class Unknown(Exception):
    """Why a question cannot be answered here."""


Say = Callable[[Finding], object]


def check(
    path: str | os.PathLike[str],
    *,
    files_only: bool = False,
    plugins: Sequence[str | os.PathLike[str]] = (),
    say: Say = lambda finding: None,
) -> Checked:
    """Check a bundle, a folder or a tar: every byte of it, what it says of itself, and the translation done again.

    `files_only` stops after the bytes. `plugins` are the files of layers that the net needs: those in the bundle are
    never run. `say` is called with each finding as it comes. Raises `FileError` where there is nothing at `path`.
    """
    if not os.path.lexists(path):
        raise FileError("no such file or directory", os.fspath(path))
    with staged(Path(tempfile.gettempdir(), "check")) as folder:
        asked = _Questions(Path(path), folder, tuple(os.fspath(p) for p in plugins))
        findings: list[Finding] = []
        for what, question in asked.all(files_only):
            failed = any(f.status == FAILED for f in findings)
            finding = _answered(what, question, failed and not (what == "manifests" and asked.readable))
            say(finding)
            findings.append(finding)
    return Checked(os.fspath(path), asked.name, tuple(findings))


def _answered(what: str, question: Callable[[], str], failed: bool) -> Finding:
    """A later question makes no sense where an earlier answer is no."""
    if failed:
        return Finding(what, NOT_CHECKED, "for what is wrong above")
    try:
        return Finding(what, OK, question())
    except Unknown as why:
        return Finding(what, NOT_CHECKED, str(why))
    except (Fault, CaffeError) as why:
        return Finding(what, FAILED, str(why))
    except Exception as error:  # what bundles say of themselves may be anything
        return Finding(what, FAILED, f"what it says of itself is not what it should be ({reason(error)})")


def _stop(faults: Sequence[str]) -> None:
    if faults:
        more = f"; and {len(faults) - MOST} more" if len(faults) > MOST else ""
        raise Fault("; ".join(faults[:MOST]) + more)


@dataclass
class _Questions:
    path: Path
    folder: Path  # for what is made again
    plugins: tuple[str, ...]
    hashes: dict[str, Hashes] = field(default_factory=dict)
    name: str = ""
    readable: bool = False

    def all(self, files_only: bool) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "layout", self.layout
        yield "manifests", self.manifests
        if files_only:
            return
        yield "metadata", self.metadata
        yield "originals", self.originals
        yield "translation", self.translation
        yield "activations", self.activations
        yield "onnx", self.onnx

    def layout(self) -> str:
        """Names and, in a tar, every byte that is no file's."""
        self.bundle: Bundle = open_bundle(self.path)
        self.name, self.readable = self.bundle.name, True
        faults = list(self.bundle.faults)
        tags = ("bagit.txt", "bag-info.txt", *bag.MANIFESTS, *bag.TAG_MANIFESTS)
        faults += [f"{name} is not there" for name in tags if name not in self.bundle.sizes]
        faults += [
            f"{name} does not belong there"
            for name in self.bundle.sizes
            if not name.startswith("data/") and name not in tags
        ]
        _stop(faults)
        kind = "plain tar, headers and padding as written" if self.bundle.members else "folder"
        return f"{kind}; {len(self.bundle.sizes)} files, no links, no path that leads elsewhere"

    def manifests(self) -> str:
        """Every file against its hashes, and the manifests against the one form they can have."""
        names = sorted(self.bundle.sizes)
        with ThreadPoolExecutor() as pool:  # hashlib lets other threads run while it works
            self.hashes = dict(zip(names, pool.map(self.bundle.hashes, names), strict=True))
        payload = {name: each for name, each in self.hashes.items() if name.startswith(bag.PAYLOAD)}
        tags = {n: h for n, h in self.hashes.items() if n not in payload and n not in bag.TAG_MANIFESTS}
        faults: dict[str, None] = {}
        for name, hashes in [(n, payload) for n in bag.MANIFESTS] + [(n, tags) for n in bag.TAG_MANIFESTS]:
            algorithm = name.rpartition("-")[2].removesuffix(".txt")
            text = self.bundle.read(name)
            said = bag.read_manifest(text, name)
            found = [f"{path} is not in {name}" for path in hashes if path not in said]
            found += [f"{path} is not there" for path in said if path not in hashes]
            found += [
                f"{p} is not as it was" for p, h in hashes.items() if said.get(p, "") not in ("", getattr(h, algorithm))
            ]
            if not found and text != bag.manifest(hashes, algorithm):
                found.append(f"{name} is not in the form that it was written in")
            faults |= dict.fromkeys(found)
        if self.bundle.read("bagit.txt") != bag.DECLARATION:
            faults["bagit.txt does not declare BagIt 1.0"] = None
        oxum = f"{sum(h.size for h in payload.values())}.{len(payload)}"
        if bag.read_bag_info(self.bundle.read("bag-info.txt")).get("Payload-Oxum") != oxum:
            faults[f"bag-info.txt does not say Payload-Oxum {oxum}"] = None
        _stop(list(faults))
        return f"{len(self.hashes)} files, sha256 and sha512; BagIt 1.0"

    def metadata(self) -> str:
        """history.json and the RO-Crate against the files."""
        history = self.bundle.read_json(HISTORY)
        if history["format"] != "caffe2py-bundle/1":
            raise Unknown(f'{HISTORY} has format "{history["format"]}"; want "caffe2py-bundle/1"')
        self.history = history
        faults = []
        for each in [*self.history["originals"], *self.history["converted"], self.history["activations"]]:
            hashes = self.hashes.get(f"data/{each['file']}")
            if hashes is None or (hashes.sha256, hashes.swhid) != (each["sha256"], each["swhid"]):
                faults.append(f"{HISTORY} says other hashes of {each['file']}, or it is not there")
        described = crate_files(self.bundle.read_json(f"data/{FILE}"))
        payload = {n.removeprefix(bag.PAYLOAD) for n in self.hashes if n.startswith(bag.PAYLOAD)} - {FILE}
        faults += [f"{path} is in {FILE} or in the payload alone" for path in sorted(payload ^ set(described))]
        for path, entity in described.items():
            hashes = self.hashes.get(f"data/{path}")
            if hashes and (entity["sha256"], entity["contentSize"]) != (hashes.sha256, str(hashes.size)):
                faults.append(f"{FILE} says another hash or size of {path}")
        if self.bundle.members and self.history["name"] != self.name:
            faults.append(f'the folder is "{self.name}", and the bundle of "{self.history["name"]}"')
        if not self.bundle.read("data/README.md").startswith(b"---\n"):
            faults.append("README.md has no front matter")
        _stop(faults)
        return f"RO-Crate of {len(described)} files, history by {self.history['made_by']}, model card"

    def originals(self) -> str:
        """The original files, read again. They lie where the history says, once it is known to fit the files."""
        if not hasattr(self, "history"):
            raise Unknown("for its history is of another format")
        for part in ("original", "verify", "converted"):
            (self.folder / part).mkdir()
        for name in self.bundle.sizes:
            part = name.removeprefix(bag.PAYLOAD)
            if part.startswith(("original/", "verify/")) and part.count("/") == 1:
                self.bundle.copy(name, self.folder / part)
        said = self.history["choices"]
        if said["plugins"] and len(self.plugins) < len(said["plugins"]):
            raise Unknown(f"the net needs {', '.join(said['plugins'])}; read it, and give it with --plugin")
        kept = {each["kind"]: self.folder / each["file"] for each in self.history["originals"]}
        from caffe2py.archive.making import Choices

        choices = Choices(
            said["phase"],
            said["level"],
            tuple(said["stages"]),
            {blob: tuple(shape) for blob, shape in said["inputs"].items()},
            self.plugins,
            said.get("dialect"),  # bundles of before these choices have none of them
            said.get("variables", {}),
            said.get("ignore_unknown_fields", False),
        )
        self.kept = kept
        self.graph = choices.load(kept["prototxt"], kept["caffemodel"])
        return f'net "{self.graph.name}", {len(self.graph.nodes)} layers, {self.graph.parameter_count():,} parameters'

    def need_net(self) -> None:
        if not hasattr(self, "graph"):
            raise Unknown("for the net could not be loaded")

    def translation(self) -> str:
        """The conversion done again, byte for byte; by other versions, value by value."""
        self.need_net()
        from caffe2py.archive.bundles.hashes import hash_file
        from caffe2py.archive.bundles.naming import versions
        from caffe2py.archive.contents.contents import write_translation
        from caffe2py.archive.contents.facts import facts_of
        from caffe2py.archive.making import read_labels

        made = self.folder / "converted"
        write_translation(self.graph, made, facts_of(self.graph), read_labels(self.kept.get("labels")))
        ours = {f"data/converted/{file.name}": hash_file(file) for file in made.iterdir()}
        theirs = {name: each for name, each in self.hashes.items() if name.startswith("data/converted/")}
        differ = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        if not differ:
            return f"done again: {len(ours)} files equal, byte for byte"
        names = ", ".join(name.rpartition("/")[2] for name in differ)
        now, then = versions(), self.history["versions"]
        changed = [f"{p} {then.get(p, '?')} then, {v} now" for p, v in now.items() if then.get(p) != v]
        if not changed:
            raise Fault(f"done again, {names} differs")
        if self.tensors_differ(made):
            raise Fault("done again, the weights in model.safetensors differ")
        return (
            f"done again by other versions ({'; '.join(changed)}): the weights are equal, the bytes of {names} are not"
        )

    def tensors_differ(self, made: Path) -> bool:
        from safetensors import safe_open

        theirs = self.folder / "theirs.safetensors"
        self.bundle.copy("data/converted/model.safetensors", theirs)
        with safe_open(theirs, "np") as a, safe_open(made / "model.safetensors", "np") as b:
            if set(a.keys()) != set(b.keys()):
                return True
            return any(a.get_tensor(k).tobytes() != b.get_tensor(k).tobytes() for k in a.keys())  # noqa: SIM118

    def activations(self) -> str:
        """The activations computed again, each within the bound that the report has for it."""
        self.need_net()
        from caffe2py.archive.contents.contents import trimmed
        from caffe2py.backends.torch.device import one_thread
        from caffe2py.proof.verify import verify

        stored = self.bundle.read_json("data/verify/report.json")
        if not stored["ok"]:
            raise Fault(f"the translation was not verified when the bundle was made: {stored['verdict']}")
        said = self.history["activations"]
        with one_thread():
            report = verify(
                self.graph,
                self.folder / said["file"],
                style=self.history["verification"]["style"],
                diagnose=False,
                progress=trimmed(None, self.graph),
            )
        rows = {(row["name"], row["value"]): row for row in stored["layers"]}
        found = {(row.name, row.value): row for row in report.layers}
        faults = [f"{name} is in one report alone" for name, _ in rows.keys() ^ found.keys()]
        compared = 0
        for key, row in found.items():
            if key in rows and row.error is not None and rows[key]["verdict"] == OK:
                bound = rows[key]["drift_bar" if row.local is None else "local_bar"]
                compared += 1
                if not row.error <= _number(bound):
                    faults.append(f'layer "{row.name}": error {row.error:.1e}, the bound is {bound}')
        _stop(faults)
        return f"computed again: {compared} values within their bounds; recorded by {said['recorded_by']}"

    def onnx(self) -> str:
        """The ONNX file: its format, and its outputs where onnxruntime is installed."""
        self.need_net()
        made = self.folder / "converted" / "model.onnx"
        if "data/converted/model.onnx" not in self.bundle.sizes:
            raise Unknown(self.history["not_made"].get("converted/model.onnx", "there is none"))
        from caffe2py.backends.onnx.check import check_file

        for name in ("model.onnx", "model.onnx.data"):
            if f"data/converted/{name}" in self.bundle.sizes:
                self.bundle.copy(f"data/converted/{name}", made.with_name(name))
        return str(check_file(made, self.graph))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
