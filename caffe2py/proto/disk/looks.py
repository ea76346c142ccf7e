"""What a file looks like that should have been a caffemodel: most wrong files are one of a few kinds."""

from __future__ import annotations

import re

MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive, as torch.save and numpy.savez write them"),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
    (b"BZh", "a bzip2 file: unpack it first"),
    (b"\xfd7zXZ", "an xz file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a rar archive: unpack it first"),
    (b"\x93NUMPY", "a numpy array (.npy)"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\x7fELF", "a program"),
    (b"version https://git-lfs", "a git-lfs pointer, not the file itself: fetch it with git lfs pull"),
)
PYTHON_PICKLE = re.compile(rb"\x80[\x02-\x05][\x00-\xff]")
SAFETENSORS = re.compile(rb"[\x00-\xff]{5}\x00\x00\x00\{")
WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
JSON = re.compile(rb"\s*[{\[]\s*[\"{\[}\]]")
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
PROTOTXT = re.compile(rb"\b(name|input|layers?|type|net|train_net)\s*[:{]")


def looks_like(head: bytes) -> str | None:
    """What the first few thousand bytes of a file show it to be, or None where they show nothing."""
    for magic, kind in MAGICS:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if PYTHON_PICKLE.match(head):
        return "a Python pickle, as old torch.save wrote them"
    if SAFETENSORS.match(head):
        return "a safetensors file"
    if head and not head.strip(b"\0"):
        return "nothing but zero bytes, as a download leaves that did not finish"
    if odd := BINARY.search(head):
        few = len(BINARY.findall(head)) <= 1 + len(head) // 100
        line = head.count(b"\n", 0, odd.start()) + 1
        return f"a text with the byte 0x{odd[0].hex()} on line {line}" if few and PROTOTXT.search(head) else None
    if WEB_PAGE.match(head):
        return "a web page (an error page saved under the file's name?)"
    if JSON.match(head):
        return "JSON text"
    if PROTOTXT.search(head):
        return "a prototxt"
    return "text"
