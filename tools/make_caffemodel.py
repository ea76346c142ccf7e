"""Make a caffemodel of synthetic weights from a manifest.

Usage: python tools/make_caffemodel.py weights.json OUT.caffemodel [--seed N]

A manifest is JSON: ``seed``, ``net`` and ``layers``, each with ``name``, ``type``, ``blobs``; a blob has ``shape`` and
either ``values`` or the range ``low``, ``high``. Blob b of layer L in a range is drawn in C order from
``RandomState(crc32("SEED/L/b"))``: low + (high - low) * random_sample in float64, rounded to float32.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.weights.blobs import DATA, SHAPE
from caffe2py.proto.weights.caffemodel import NET_LAYER, NET_NAME, V2
from caffe2py.proto.weights.wire import encode_field, encode_head, encode_packed

PIECE = 1 << 20  # values drawn at a time


def make_caffemodel(manifest: dict[str, Any], path: Path, seed: int | None = None) -> None:
    """Write the file that a manifest describes, a million values at a time; ``seed`` replaces the manifest's own."""
    seed = manifest["seed"] if seed is None else seed
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(encode_field(NET_NAME, manifest["net"].encode()))
        for layer in manifest["layers"]:
            head = encode_field(V2.name, layer["name"].encode()) + encode_field(V2.type, layer["type"].encode())
            frames = [_frame(blob["shape"]) for blob in layer["blobs"]]
            size = len(head) + sum(len(before) + payload + len(after) for before, payload, after in frames)
            file.write(encode_head(NET_LAYER, size) + head)
            for index, (blob, (before, _, after)) in enumerate(zip(layer["blobs"], frames, strict=True)):
                file.write(before)
                for values in draw(blob, f"{seed}/{layer['name']}/{index}"):
                    file.write(values.astype("<f4").tobytes())
                file.write(after)


def _frame(shape: list[int]) -> tuple[bytes, int, bytes]:
    """What stands before a blob's values, how many bytes those take, and what stands after them."""
    payload = 4 * math.prod(shape)
    head, after = encode_head(DATA, payload), encode_field(SHAPE, encode_packed(1, shape))
    return encode_head(V2.blobs, len(head) + payload + len(after)) + head, payload, after


def draw(blob: dict[str, Any], key: str) -> Iterator[np.ndarray]:
    """The values of one blob, a piece at a time, in float64; `key` seeds them."""
    count = math.prod(blob["shape"])
    if "values" in blob:
        values = np.array(blob["values"], np.float64)
        if values.size != count:
            raise ValueError(f"{key}: {values.size} values for a blob of shape {blob['shape']}")
        yield values
        return
    random = np.random.RandomState(zlib.crc32(key.encode()))
    for start in range(0, count, PIECE):
        yield blob["low"] + (blob["high"] - blob["low"]) * random.random_sample(min(PIECE, count - start))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make a caffemodel of synthetic weights from a manifest.")
    parser.add_argument("manifest", type=Path, help="weights.json")
    parser.add_argument("out", type=Path, help="the caffemodel to write")
    parser.add_argument("--seed", type=int, help="replaces the manifest's seed")
    options = parser.parse_args(arguments)
    try:
        try:
            manifest = json.loads(options.manifest.read_text("utf-8"))
            make_caffemodel(manifest, options.out, options.seed)
        except OSError as error:
            raise FileError(error.strerror or str(error), str(options.manifest)) from None
        except KeyError as error:
            raise FileError(f"not a manifest: no {error}", str(options.manifest)) from None
        except (TypeError, ValueError, AttributeError) as error:
            raise FileError(f"not a manifest: {error}", str(options.manifest)) from None
    except CaffeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
