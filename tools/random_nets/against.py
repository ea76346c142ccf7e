"""Random nets in two Caffes, a real one and ours, by one and the same script: who takes a net, and what it makes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tools.random_nets.making import RandomNet
from tools.random_nets.views import difference

WORKER = Path(__file__).with_name("worker.py")
OURS = (sys.executable, "-m", "caffe2py.pycaffe")
FORWARD, BACKWARD = 1e-5, 1e-4  # both add in float32, in other orders


@dataclass(frozen=True)
class Result:
    """What one Caffe made of a net: its outputs and gradients, or why it refused."""

    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    gradients: dict[str, np.ndarray] = field(default_factory=dict)
    refused: str = ""
    no_backward: str = ""


def write_nets(nets: Sequence[RandomNet], folder: Path) -> None:
    """Each net's prototxt and inputs, for `run_in`."""
    folder.mkdir(parents=True, exist_ok=True)
    for net in nets:
        (folder / f"{net.seed:08}.prototxt").write_text(net.text)
        np.savez(folder / f"{net.seed:08}.npz", **net.arrays())  # type: ignore[arg-type]  # numpy's names for keywords


def run_in(
    command: Sequence[str], nets: Path, results: Path, progress: Callable[[int], None] | None = None
) -> dict[str, Result]:
    """Run every net of a folder by `command` and the worker script, again and again while it dies of a net."""
    results.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in nets.glob("*.prototxt"))
    while True:
        process = subprocess.run(
            [*command, str(WORKER), str(nets), str(results)], capture_output=True, text=True, errors="replace"
        )
        killers = list(results.glob("*.began"))
        for path in killers:
            path.rename(path.with_suffix(".died"))
            path.with_suffix(".refused").write_text(_reason(process.stderr))
        if progress is not None:
            progress(len(list(results.glob("*.npz"))) + len(killers))
        if not killers:
            if process.returncode:
                raise SystemExit(f"{' '.join(command)} cannot run nets: {_reason(process.stderr)}")
            return {name: _result(results / name) for name in names}


def _reason(log: str) -> str:
    """The line by which Caffe aborted, else the last one."""
    lines = log.strip().splitlines() or ["it died without a word"]
    return next((line for line in lines if line.startswith("F")), lines[-1])


def _result(stem: Path) -> Result:
    refused = stem.with_suffix(".refused")
    reason = refused.read_text() if refused.exists() else ""
    if not stem.with_suffix(".npz").exists():
        return Result(refused=reason or "refused")
    with np.load(stem.with_suffix(".npz")) as held:
        outputs = {key[4:]: held[key] for key in held.files if key.startswith("out:")}
        gradients = {key[5:]: held[key] for key in held.files if key.startswith("diff:")}
        whole = "backward" in held.files
    return Result(outputs, gradients if whole else {}, no_backward="" if whole else reason or "refused")


def compare(ours: Result, theirs: Result, inputs: Sequence[np.ndarray]) -> Iterator[str]:
    """Each way in which two results differ, in words."""
    if bool(ours.refused) != bool(theirs.refused):
        yield f"only ours refuses: {ours.refused}" if ours.refused else f"only Caffe refuses: {theirs.refused}"
        return
    for blob in sorted(ours.outputs.keys() ^ theirs.outputs.keys()):
        yield f"output {blob} is made by one of them"
    for blob in ours.outputs.keys() & theirs.outputs.keys():
        if (gap := difference(ours.outputs[blob], theirs.outputs[blob], inputs)) > FORWARD:
            yield f"output {blob} differs by {gap:.1e}"
    if bool(ours.gradients) != bool(theirs.gradients):
        who, why = ("ours", ours.no_backward) if theirs.gradients else ("Caffe", theirs.no_backward)
        yield f"only {who} has no gradient: {why}"
        return
    for name in ours.gradients.keys() & theirs.gradients.keys():
        if (gap := difference(ours.gradients[name], theirs.gradients[name])) > BACKWARD:
            yield f"gradient of {name} differs by {gap:.1e}"
