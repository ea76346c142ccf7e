"""A folder as Hugging Face has it: config.json, model.safetensors, model.py, and the model card as README.md."""

from __future__ import annotations

import os
from pathlib import Path

from caffe2py.archive.bundles.hashes import hash_file
from caffe2py.archive.contents.card import card
from caffe2py.archive.contents.contents import Progress, write_proof, write_weights_and_source
from caffe2py.archive.contents.facts import facts_of
from caffe2py.archive.contents.info import NOTHING_KNOWN, Info, info_of
from caffe2py.archive.making import DEPLOYED, SEED, Choices, Created, read_labels
from caffe2py.errors import FileError
from caffe2py.evaluate.releases.identification import release_of
from caffe2py.evaluate.releases.registry import releases
from caffe2py.proto.disk.staging import check_target, publish, staged

Path_ = str | os.PathLike[str]


def create_hub_folder(
    prototxt: Path_,
    caffemodel: Path_,
    out: Path_,
    *,
    against: Path_ | None = None,
    info: Info = NOTHING_KNOWN,
    choices: Choices = DEPLOYED,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Created:
    """Make the folder `out`, whole or not at all. The arguments are those of `create`; the card tells the proof.

    Raises `CaffeError` as `create` does.
    """
    target = Path(out)
    if target.suffix == ".tar":
        raise FileError("Hugging Face has folders; want a name without .tar", str(out))
    check_target(target)
    graph = choices.load(Path(prototxt), Path(caffemodel))
    release, why = release_of(graph, releases())
    known = (info_of(release) if release else NOTHING_KNOWN).given(info)
    facts = facts_of(graph)
    with staged(target) as folder:
        made, scratch = folder / "bundle", folder / "verify"
        made.mkdir()
        scratch.mkdir()
        write_weights_and_source(graph, made, facts, read_labels(known.labels))
        proof = write_proof(graph, scratch, Path(against) if against else None, seed, progress)
        contents = [
            ("config.json", "inputs, outputs and preprocessing in plain values"),
            ("model.py", "the net as source that imports torch alone"),
            ("model.safetensors", "the weights, as model.py names them"),
        ]
        originals = {Path(file).name: hash_file(Path(file)) for file in (prototxt, caffemodel)}
        text = card(known, facts, originals, contents, proof.said, [*graph.notes, *([why] if why else [])])
        (made / "README.md").write_bytes(text.encode("utf-8", "backslashreplace"))
        files = list(made.iterdir())
        size = sum(file.stat().st_size for file in files)
        publish(made, target)
    return Created(
        path=target,
        name=target.name,
        net=graph.name,
        files=len(files),
        size=size,
        recorded_by=proof.recorded_by,
        ok=proof.report.ok,
        proof=proof.said,
        identified=release.name if release and not why else "",
        notes=tuple(graph.notes),
    )
