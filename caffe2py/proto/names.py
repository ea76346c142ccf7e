"""Names of nets, layers and blobs as text. Caffe never asked for UTF-8, so old files hold other bytes."""

from __future__ import annotations


def decode_name(raw: bytes) -> str:
    r"""The name as text: UTF-8, and each byte that is not as ``\xNN``, so that it can be printed and looked up."""
    return raw.decode("utf-8", "backslashreplace")
