"""Make tests/reference: the part of what was recorded in Caffe that travels with the project.

Usage: python -m tools.make_reference FOLDER [-o tests/reference]     FOLDER holds all of it

What travels keeps its bytes; HDF5 and large texts are packed (`NAME.xz`), which halves them. Left out of dumps is what
can be made again bit for bit, and what is other people's:

- inputs that were drawn from the dump's own `input_seed` (`seeded_input`);
- the prototxt that the recorder keeps beside the activations;
- the caffemodels of the tiny nets: a manifest stays (`manifest_of`), from which make_caffemodel.py makes the file.

`unpack` puts the inputs back. The tests find all this through tests/helpers/reference.py.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.schema import LayerParameter
from caffe2py.proto.weights.read import read_weights
from tools.make_caffemodel import make_caffemodel

HOME = Path(__file__).resolve().parent.parent / "tests" / "reference"

# Patterns of what travels as it is ...
KEPT = """
    layers/*.h5 forks/*.h5 forks_random/*.h5 random/* faults/* solvers.h5 runtime/**/* hostile/**/*
    evaluate/**/* labels/*.csv schema/*.csv timm/*.json interop/**/* known_caffemodels.json
    senet/*/weights.json zoo/*.weights.json zoo/SOURCES.csv real/*.npz rounding/s1/*
""".split()
# ... of dumps that are stripped first ...
DUMPS = "senet/*/reference.h5 tiny/*.h5 zoo/*.h5 mtcnn/*.h5 real/*.h5 rounding/images/00000001.h5".split()
# ... of caffemodels that become manifests ...
WEIGHTS = ["tiny/*.caffemodel"]
# ... and of what stays behind all the same: texts about the folder, MTCNN's weights inside, and what is large.
LEFT = "**/README.md hostile/16_*.pt rounding/s1/pool224.* rounding/s1/softmax21841.* rounding/s1/fc_positive.*".split()

TINY_SEED = 20171  # of the tiny nets' weights
MEAN = np.array([104, 117, 123])  # of pixels, blue first

SUFFIX = ".xz"
SMALLEST = {".h5": 1 << 14}  # bytes from which a file is packed, by suffix
SMALLEST_OTHER = 200_000
SEEDED = "seeded"  # attribute of a dump's group of inputs: the shapes of those that were left out, as JSON


def seeded_input(blob: str, shape: Sequence[int], seed: int) -> np.ndarray:
    """What a net was fed: pixels less their mean where the blob has three channels, else numbers from -1 to 1."""
    if len(shape) == 4 and shape[1] == 3:
        random = np.random.RandomState(zlib.crc32(f"{seed}/input".encode()))
        return (random.randint(0, 256, shape) - MEAN[:, None, None]).astype(np.float32)
    random = np.random.RandomState(zlib.crc32(f"{seed}/input/{blob}".encode()))
    return random.uniform(-1, 1, shape).astype(np.float32)


def stripped(source: Path, target: Path) -> None:
    """A copy of a dump without its prototxt, and without inputs that its seed gives; its layout of HDF5 stays."""
    with h5py.File(source) as old, h5py.File(target, "w", libver=("earliest", "latest")) as new:
        for key in old.attrs.keys() - {"prototxt"}:
            new.attrs[key] = old.attrs[key]
        for key in old.keys() - {"input"}:
            old.copy(key, new)
        group, left_out = new.create_group("input"), {}
        seed = int(old.attrs.get("input_seed", 0))
        for blob, data in datasets(old["input"]):
            if seed and np.array_equal(data[()], seeded_input(blob, data.shape, seed)):
                left_out[blob] = data.shape
            else:
                group[blob] = data[()]
        if left_out:
            group.attrs[SEEDED] = json.dumps(left_out)


def datasets(group: h5py.Group, before: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    for key, held in group.items():
        if isinstance(held, h5py.Dataset):
            yield before + key, held
        else:
            yield from datasets(held, f"{before}{key}/")


def manifest_of(caffemodel: Path, seed: int) -> dict[str, Any]:
    """The manifest that these weights were made from. Raises ValueError where its ranges cannot be told."""
    weights = read_weights(caffemodel)
    layers = []
    for layer in weights.layers:
        blobs = []
        for i, blob in enumerate(layer.blobs):
            low, high = _range(blob.data.ravel(), f"{seed}/{layer.name}/{i}")
            blobs.append({"shape": list(blob.data.shape), "low": low, "high": high})
        layers.append({"name": layer.name, "type": LayerParameter.FromString(layer.header).type, "blobs": blobs})
    return {"seed": seed, "net": weights.name, "layers": layers}


def _range(values: np.ndarray, key: str) -> tuple[float, float]:
    """The two numbers of few digits between which `key` drew these values."""
    drawn = np.random.RandomState(zlib.crc32(key.encode())).random_sample(values.size)
    ends = np.linalg.lstsq(np.stack([1 - drawn, drawn], 1), values.astype(np.float64), rcond=None)[0]
    if np.ptp(values) == 0:
        ends = values[[0, 0]].astype(np.float64)
    for digits in range(1, 10):
        low, high = (float(f"{end:.{digits}g}") for end in ends)
        if np.array_equal((low + (high - low) * drawn).astype(np.float32), values):
            return low, high
    raise ValueError(f"{key}: not drawn from a range")


def pack(source: Path, target: Path) -> Path:
    """Copy a file, packed where that pays; the path it got."""
    data = source.read_bytes()
    if len(data) >= SMALLEST.get(source.suffix, SMALLEST_OTHER):
        packed = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
        if len(packed) < 0.95 * len(data):
            data, target = packed, target.with_name(target.name + SUFFIX)
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(target) as part:
        part.write_bytes(data)
    return target


def unpack(packed: Path, target: Path) -> None:
    """The file as it was before it was packed, with the inputs that were left out of a dump."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        part = Path(folder, target.name)
        with lzma.open(packed) as source, open(part, "wb") as file:
            shutil.copyfileobj(source, file)
        if target.suffix == ".h5":
            _with_inputs(part)
        part.replace(target)


def _with_inputs(path: Path) -> None:
    with open(path, "r+b") as disk, h5py.File(disk, "r+") as file:  # what is written has no name yet
        group = file.get("input")
        if isinstance(group, h5py.Group) and SEEDED in group.attrs:
            for blob, shape in json.loads(group.attrs.pop(SEEDED)).items():
                group[blob] = seeded_input(blob, shape, int(file.attrs["input_seed"]))


def make(source: Path, target: Path) -> Iterator[Path]:
    """Everything that travels, file by file as it is written."""
    left = {path for pattern in LEFT for path in source.glob(pattern)}
    with tempfile.TemporaryDirectory() as name:
        for path in _files(source, KEPT, left):
            yield pack(path, target / path.relative_to(source))
        for path in _files(source, DUMPS, left):
            stripped(path, made := Path(name, path.name))
            yield pack(made, target / path.relative_to(source))
        for path in _files(source, WEIGHTS, left):
            manifest = manifest_of(path, TINY_SEED)
            make_caffemodel(manifest, again := Path(name, path.name))
            if again.read_bytes() != path.read_bytes():
                raise ValueError(f"{path}: its manifest makes other bytes")
            made = Path(name, f"{path.stem}.weights.json")
            made.write_text(said(manifest), encoding="utf-8")
            yield pack(made, target / path.relative_to(source).with_name(made.name))


def _files(folder: Path, patterns: Sequence[str], left: set[Path]) -> list[Path]:
    return sorted({p for pattern in patterns for p in folder.glob(pattern) if p.is_file()} - left)


def said(manifest: dict[str, Any]) -> str:
    """A manifest as JSON, a layer a line."""
    head = f'{{"seed": {manifest["seed"]}, "net": {json.dumps(manifest["net"])}, "layers": [\n'
    return head + ",\n".join(json.dumps(layer) for layer in manifest["layers"]) + "\n]}\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the full folder of reference data")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, default=HOME, help="default: tests/reference")
    args = parser.parse_args(argv)
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is no folder")
    total = 0
    for path in make(args.folder, args.output):
        size = path.stat().st_size
        total += size
        print(f"{size:9,}  {path.relative_to(args.output)}", flush=True)
    print(f"{total:9,}  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
