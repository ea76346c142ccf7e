"""The model card: README.md with YAML front matter, as Hugging Face reads it. What nobody knows is "unknown"."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from caffe2py.archive.bundles.hashes import Hashes
from caffe2py.archive.contents.facts import Facts
from caffe2py.archive.contents.info import Info
from caffe2py.layers.base import text

UNKNOWN = "unknown"


def card(
    info: Info,
    facts: Facts,
    originals: Mapping[str, Hashes],
    contents: Sequence[tuple[str, str]],
    proof: str,
    notes: Sequence[str] = (),
) -> str:
    """The card. `originals` are files by name, `contents` (path, what it is), `proof` what was verified and how."""
    title = info.title or facts.net or "A Caffe net"
    lines = [
        "---",
        *_front_matter(info, facts),
        "---",
        "",
        f"# {_line(title)}",
        "",
        _line(info.description)
        or f"A net of Caffe, {_code(facts.net)}, with its translation. No description was given.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {what} | {said} |" for what, said in _rows(info, facts)),
        "",
        "## Files",
        "",
        *(f"- {_code(path)}: {what}" for path, what in contents),
        "",
        "## Use",
        "",
        *_use(facts, dict(contents)),
        "",
        "## Results",
        "",
        "Published: " + (UNKNOWN if not info.published else ""),
        *([""] if info.published else []),
        *(f"- {_line(what)}: {_line(str(value))}" for what, value in info.published.items()),
        "",
        f"Measured here: {_line(proof)}",
        "",
        "## Originals",
        "",
        *_names(originals),
        "",
        "## Citation",
        "",
        *_citation(info),
    ]
    if notes:
        lines += ["", "## Notes", "", *(f"- {_line(note)}" for note in notes)]
    return "\n".join(lines) + "\n"


def _front_matter(info: Info, facts: Facts) -> Iterator[str]:
    """YAML; quoted texts are JSON's, which YAML reads as they are."""
    yield f"license: {_yaml(_licence_word(info))}"
    if _licence_word(info) == "other":
        yield f"license_name: {_yaml(_line(info.licence))}"
    yield "library_name: pytorch"
    yield "tags:"
    for tag in ("caffe", "caffe2py", *(["image-classification"] if facts.classes and _picture(facts) else [])):
        yield f"- {tag}"
    if info.source:
        yield f"source: {_yaml(info.source)}"


def _licence_word(info: Info) -> str:
    """The licence as Hugging Face names it: an SPDX name in small letters; `other` for a sentence."""
    if not info.licence:
        return UNKNOWN
    word = info.licence.strip().lower()
    return word if word and all(c.isalnum() or c in "-.+" for c in word) else "other"


def _rows(info: Info, facts: Facts) -> Iterator[tuple[str, str]]:
    said = facts.preprocessing
    yield "net", _code(facts.net)
    yield "input", ", ".join(f"{_code(b)} {_shape(s)}" for b, s in facts.inputs.items()) or "none"
    if said:
        words = {k.removeprefix("preprocessing."): v for k, v in said.items() if "." in k}
        yield "preprocessing", _line(f"{said['preprocessing']}; " + "; ".join(f"{k} {v}" for k, v in words.items()))
    else:
        yield "preprocessing", f"{UNKNOWN}: the prototxt does not say"
    yield "output", ", ".join(f"{_code(b)} {_shape(s)}" for b, s in facts.outputs.items()) or "none"
    yield "classes", str(facts.classes or UNKNOWN)
    yield "layers", str(facts.layers)
    yield "parameters", f"{facts.parameters:,}"
    more = f", and {facts.uncounted} layers that could not be counted" if facts.uncounted else ""
    yield "multiply-adds", f"{facts.multiply_adds:,}{more}"
    yield "authors", _line(", ".join(info.authors)) or UNKNOWN
    yield "published on", _line(info.published_on) or UNKNOWN
    yield "source", _line(info.source) or UNKNOWN
    yield "licence", _line(info.licence) or UNKNOWN
    yield "labels", _line(info.labels.name) if info.labels else UNKNOWN
    yield "mean file", _line(info.mean.name) if info.mean else "none given"
    if info.known_from:
        yield "known from", _line(info.known_from)


def _use(facts: Facts, contents: Mapping[str, str]) -> Iterator[str]:
    folder = next((path.rpartition("/")[0] for path in contents if path.endswith("model.py")), "")
    shapes = ", ".join(f"torch.zeros{tuple(s)}" for s in facts.inputs.values() if s is not None)
    yield f"PyTorch alone runs it{f', in the folder {_code(folder)}' if folder else ''}:"
    yield ""
    yield "```python"
    yield "import torch"
    yield "from model import load"
    yield ""
    yield f"print(load()({shapes}))"
    yield "```"


def _names(originals: Mapping[str, Hashes]) -> Iterator[str]:
    for name, each in originals.items():
        yield f"- {_code(name)}, {each.size:,} bytes"
        yield f"  - sha256 `{each.sha256}`"
        yield f"  - `{each.swhid}`"


def _citation(info: Info) -> Iterator[str]:
    if not info.citation:
        yield UNKNOWN
        return
    yield "```bibtex"
    yield info.citation.strip().replace("```", "'''")
    yield "```"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "of unknown shape" if shape is None else text(shape)


def _picture(facts: Facts) -> bool:
    return any(s is not None and len(s) == 4 and s[1] in (1, 3) for s in facts.inputs.values())


def _line(said: str) -> str:
    """A text from elsewhere on one line of a table, with no sign that Markdown or HTML would take for its own."""
    plain = " ".join(said.split())
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;"), ("`", "'")):
        plain = plain.replace(sign, safe)
    return plain


def _code(said: str) -> str:
    return f"`{_line(said) or ' '}`"


def _yaml(said: str) -> str:
    return json.dumps(said, ensure_ascii=False)
