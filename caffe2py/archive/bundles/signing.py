"""Signing a bundle with OpenSSF Model Signing (`pip install 'caffe2py[sign]'`), and checking the signature.

The signature is a file of its own beside the bundle (`NAME.sig`), so that the bundle stays the same bytes. Keys are of
an elliptic curve, in PEM.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from caffe2py.errors import CaffeError, FileError, first_line
from caffe2py.proto.disk.files import written_whole

SUFFIX = ".sig"
Path_ = str | os.PathLike[str]


def signature_of(bundle: Path_) -> Path:
    """Where the signature of a bundle lies."""
    path = Path(bundle).absolute()
    return path.with_name(path.name + SUFFIX)


def sign(bundle: Path_, key: Path_) -> Path:
    """Sign a bundle with a private key (PEM); returns the signature's file. Raises `CaffeError`."""
    signing = import_model_signing().signing
    _need(key)
    target = signature_of(bundle)
    with written_whole(target) as temporary:
        try:
            signing.Config().use_elliptic_key_signer(private_key=Path(key)).sign(Path(bundle), temporary)
        except Exception as error:  # the library and those below it have kinds of their own
            raise CaffeError(
                f"cannot sign with {os.fspath(key)}: {first_line(error)[:160]}", os.fspath(bundle)
            ) from None
    return target


def verify_signature(bundle: Path_, key: Path_, signature: Path_ | None = None) -> Path:
    """Hold a bundle against its signature with a public key (PEM). Raises `CaffeError` where it does not fit."""
    verifying = import_model_signing().verifying
    _need(key)
    found = Path(signature) if signature else signature_of(bundle)
    _need(found)
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=Path(key)).verify(Path(bundle), found)
    except Exception as error:  # as above
        raise CaffeError(f"is not what {found.name} signs: {first_line(error)[:160]}", os.fspath(bundle)) from None
    return found


def import_model_signing() -> Any:
    """The module. Raises `CaffeError` that says what to install."""
    try:
        import model_signing
    except ImportError as error:
        wish = "pip install 'caffe2py[sign]'"
        raise CaffeError(f"signatures need model-signing ({error}): {wish}") from None
    return model_signing


def _need(path: Path_) -> None:
    if not Path(path).is_file():
        raise FileError("no such file", os.fspath(path))
