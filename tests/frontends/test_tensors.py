"""Named tensors out of files: MindSpore's own checkpoints value for value, and the other kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from caffe2py.errors import FileError
from caffe2py.frontends.tensors.read import read_tensors
from tests.helpers.reference import reference

CHECKPOINTS = {"plain": "plain", "crc": "plain", "split": "split", "dtypes": "dtypes"}
HANDMADE = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) / 8,
    "bn.gamma": np.array([1, 2, 3], np.float32),
    "scalar": np.array(7.5, np.float32),
    "none_dims": np.array(9, np.int32),
}


def checkpoint(name: str) -> Path:
    return reference(f"interop/mindcv/ckpt/{name}")


def same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_mindspores_own_checkpoints_bit_for_bit(name: str) -> None:
    found = read_tensors(checkpoint(f"{name}.ckpt"))
    with np.load(checkpoint(f"{CHECKPOINTS[name]}_values.npz")) as wanted:
        assert [k for k in wanted.files if not same(found[k], wanted[k])] == []


@pytest.mark.parametrize("name", ["handmade", "handmade_crc"])
def test_checkpoints_as_the_schema_allows_them(name: str) -> None:
    found = read_tensors(checkpoint(f"{name}.ckpt"))
    assert found.keys() == HANDMADE.keys()
    assert [k for k, v in HANDMADE.items() if not same(found[k], v)] == []


def test_what_stands_behind_the_weights_is_read_too() -> None:
    found = read_tensors(checkpoint("appended.ckpt"))
    assert {"epoch_num", "step_num", "lr"} < found.keys() and found["epoch_num"].shape == ()
    halves = read_tensors(checkpoint("dtypes.ckpt"))["bf16"]
    assert halves.dtype == np.float32 and np.array_equal(halves, halves.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_the_same_weights_as_safetensors() -> None:
    plain, other = read_tensors(checkpoint("plain.ckpt")), read_tensors(checkpoint("plain.safetensors"))
    assert plain.keys() == other.keys() and all(same(plain[k], other[k]) for k in plain)


def _damaged() -> bytes:
    whole = bytearray(checkpoint("crc.ckpt").read_bytes())
    whole[len(whole) // 2] ^= 1
    return bytes(whole)


REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "encrypted": (".ckpt", lambda: checkpoint("encrypted.ckpt").read_bytes(), "encrypted"),
    "damaged": (".ckpt", _damaged, "CRC"),
    "no checkpoint": (".ckpt", lambda: b"abcdefgh" * 9, "no checkpoint"),
    "cut": (".ckpt", lambda: checkpoint("plain.ckpt").read_bytes()[:-9], "checkpoint"),
    "no safetensors": (".safetensors", lambda: b"abcdefgh" * 9, "a damaged file of safetensors"),
    "no npz": (".npz", lambda: b"abcdefgh" * 9, "a damaged .npz"),
    "no torch file": (".pth", lambda: b"abcdefgh" * 9, "plain torch file"),
    "another kind": (".bin", lambda: b"abc", "want one of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_told_why(case: str, tmp_path: Path) -> None:
    suffix, content, words = REFUSED[case]
    (tmp_path / f"net{suffix}").write_bytes(content())
    with pytest.raises(FileError) as error:
        read_tensors(tmp_path / f"net{suffix}")
    assert words in str(error.value)


def test_code_in_a_torch_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1), "b": Path("x")}, tmp_path / "net.pth")
    with pytest.raises(FileError, match=r"would run .*\.PosixPath"):
        read_tensors(tmp_path / "net.pth")


def test_every_kind_gives_the_same(tmp_path: Path) -> None:
    values = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float16)}
    save_file(values, tmp_path / "net.safetensors")
    np.savez(tmp_path / "net.npz", **values)
    state = {f"module.{k}": torch.from_numpy(v) for k, v in values.items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "net.pth")
    for path in sorted(tmp_path.iterdir()):
        found = read_tensors(path)
        assert found.keys() == values.keys() and all(same(found[k], v) for k, v in values.items()), path
