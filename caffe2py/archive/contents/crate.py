"""RO-Crate 1.3 metadata: what is in the payload, who made it from what, in the words of schema.org (JSON-LD)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from caffe2py.archive.bundles.hashes import Hashes
from caffe2py.archive.contents.facts import Facts
from caffe2py.archive.contents.info import Info
from caffe2py.version import __version__

VERSION = "1.3"
FILE = "ro-crate-metadata.json"
NO_DATE = "1970-01-01"  # RO-Crate wants a date; this one stands for none, as the times in the tar do
KINDS = {
    ".prototxt": "text/plain",
    ".proto": "text/plain",
    ".txt": "text/plain",
    ".py": "text/x-python",
    ".md": "text/markdown",
    ".html": "text/html",
    ".json": "application/json",
    ".h5": "application/x-hdf5",
    ".npz": "application/zip",
}


def crate(
    name: str,
    info: Info,
    facts: Facts,
    files: Mapping[str, Hashes],
    contents: Sequence[tuple[str, str]],
    originals: Sequence[str],
    date: str | None,
    proof: str,
) -> dict[str, Any]:
    """The metadata file's content: an entity for every file, for the licence, the authors, and the conversion."""
    what = dict(contents)
    made = sorted(path for path in files if path.startswith(("converted/", "verify/")))
    licence = _licence(info, originals)
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": info.title or facts.net or name,
        "description": _description(info, facts, proof, date),
        "datePublished": date or NO_DATE,
        "license": {"@id": licence["@id"]},
        "identifier": [files[path].swhid for path in originals],
        "hasPart": [{"@id": _id(path)} for path in sorted(files)],
        "mentions": {"@id": "#conversion"},
        "keywords": ["Caffe", "PyTorch", "ONNX", *(["image classification"] if facts.classes else [])],
    }
    if info.authors:
        people = [{"@id": f"#author-{i}"} for i in range(1, len(info.authors) + 1)]
        root["author"] = people if len(people) > 1 else people[0]
    if info.source:
        root["isBasedOn"] = {"@id": info.source} if info.source.startswith(("http://", "https://")) else info.source
    if info.citation:
        root["citation"] = info.citation
    entities = [
        {
            "@id": FILE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": f"https://w3id.org/ro/crate/{VERSION}"},
        },
        root,
        licence,
        *({"@id": f"#author-{i}", "@type": "Person", "name": who} for i, who in enumerate(info.authors, 1)),
        *_source(info),
        {
            "@id": "#caffe2py",
            "@type": "SoftwareApplication",
            "name": "caffe2py",
            "version": __version__,
            "softwareVersion": __version__,
            "url": "https://pypi.org/project/caffe2py/",
        },
        {
            "@id": "#conversion",
            "@type": "CreateAction",
            "name": "Translation from Caffe, and its verification",
            "instrument": {"@id": "#caffe2py"},
            "object": [{"@id": _id(path)} for path in originals],
            "result": [{"@id": _id(path)} for path in made],
            **({"endTime": date} if date else {}),
        },
        *(_file(path, files[path], what.get(path, path)) for path in sorted(files)),
    ]
    return {"@context": f"https://w3id.org/ro/crate/{VERSION}/context", "@graph": entities}


def crate_files(metadata: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The entities of the crate's files by their path. Raises `ValueError` or `KeyError` for what is no crate."""
    entities = {each["@id"]: each for each in metadata["@graph"]}
    about = entities[FILE]
    if about["about"]["@id"] != "./" or "/ro/crate/1." not in about["conformsTo"]["@id"]:
        raise ValueError("it does not describe this folder as an RO-Crate 1.x")
    parts = entities["./"]["hasPart"]
    return {unquote(part["@id"]): entities[part["@id"]] for part in parts}


def _file(path: str, hashes: Hashes, what: str) -> dict[str, Any]:
    return {
        "@id": _id(path),
        "@type": "File",
        "name": PurePosixPath(path).name,
        "description": what,
        "contentSize": str(hashes.size),
        "encodingFormat": KINDS.get(PurePosixPath(path).suffix, "application/octet-stream"),
        "sha256": hashes.sha256,
        "identifier": hashes.swhid,
    }


def _licence(info: Info, originals: Sequence[str]) -> dict[str, Any]:
    spdx = info.licence if info.licence and all(c.isalnum() or c in "-.+" for c in info.licence) else ""
    known = f"https://spdx.org/licenses/{spdx}" if spdx else "#licence"
    said = info.licence or "Licence unknown"
    description = (
        "The licence of the original files" if info.licence else "No licence was given for the original files."
    )
    return {"@id": known, "@type": "CreativeWork", "name": said, "description": description}


def _source(info: Info) -> list[dict[str, Any]]:
    if not info.source.startswith(("http://", "https://")):
        return []
    return [{"@id": info.source, "@type": "CreativeWork", "name": "Where the model was published"}]


def _description(info: Info, facts: Facts, proof: str, date: str | None) -> str:
    said = [info.description or f'A net of Caffe, "{facts.net}", with its translation to PyTorch and ONNX.', proof]
    if not date:
        said.append(f"No date was given when this bundle was made; {NO_DATE} stands for an unknown one.")
    return " ".join(said)


def _id(path: str) -> str:
    return quote(path)
