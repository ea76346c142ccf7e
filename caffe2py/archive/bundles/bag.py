"""BagIt 1.0 (RFC 8493): the tag files of a bag, written in one form alone.

A bag is a folder whose payload lies in `data/`; manifests list every payload file with its hash, tag manifests every
other file. `sha512sum -c manifest-sha512.txt` checks it. Written here, because the bagit library stamps bags with the
day they are made on and asks for a folder, and because in a form that leaves no choice each flipped bit shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from caffe2py.archive.bundles.hashes import Hashes
from caffe2py.errors import FileError, shown

ALGORITHMS = ("sha256", "sha512")
MANIFESTS = tuple(f"manifest-{name}.txt" for name in ALGORITHMS)
TAG_MANIFESTS = tuple(f"tagmanifest-{name}.txt" for name in ALGORITHMS)
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD = "data/"


def manifest(hashes: Mapping[str, Hashes], algorithm: str) -> bytes:
    """A manifest: hash, two spaces, path; sorted by path."""
    lines = (f"{getattr(each, algorithm)}  {_encoded(path)}\n" for path, each in sorted(hashes.items()))
    return "".join(lines).encode("utf-8")


def read_manifest(data: bytes, file: str) -> dict[str, str]:
    """{path: hash}. Raises `FileError` for lines that are none, and for paths that lead out of the bag."""
    found: dict[str, str] = {}
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise FileError("is no UTF-8", file) from None
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        digest, _, name = line.partition("  ")
        path = name.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        if not digest or not name or path in found:
            raise FileError(f'line {number} is no "HASH  PATH", or its path is there twice', file)
        if fault := unsafe(path):
            raise FileError(f"line {number}: {fault}", file)
        found[path] = digest
    return found


def bag_info(said: Mapping[str, str], payload: Mapping[str, Hashes]) -> bytes:
    """`bag-info.txt`: what is said, a line each, and the payload's size as BagIt wants it."""
    oxum = f"{sum(each.size for each in payload.values())}.{len(payload)}"
    lines = {**{key: " ".join(value.split()) for key, value in said.items()}, "Payload-Oxum": oxum}
    return "".join(f"{key}: {value}\n" for key, value in sorted(lines.items())).encode("utf-8", "backslashreplace")


def read_bag_info(data: bytes) -> dict[str, str]:
    """The lines of `bag-info.txt`."""
    lines = (line.partition(": ") for line in data.decode("utf-8", "replace").splitlines())
    return {key: value for key, _, value in lines}


def unsafe(path: str) -> str:
    """Why a path must not be in a bundle; "" where it may: relative, one meaning on every system, inside the bundle."""
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return f'path "{shown(path, 120)}" leads out of the bundle, or is not in its simple form'
    if any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 or c in '\\:*?"<>|' for c in path):
        return f'path "{shown(path, 120)}" has a character that not every system takes in a file name'
    if any(part.endswith((" ", ".")) or len(part.encode()) > 255 for part in parts):
        return f'path "{shown(path, 120)}" has a name that ends in a space or a dot, or is too long'
    return ""


def stem(path: str) -> str:
    """A file's name without folder and suffix."""
    return PurePosixPath(path).stem


def _encoded(path: str) -> str:
    return path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
