"""The file that is written without torch is the one that torch.save writes."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from caffe2py.backends.torch.torch_file import ALIGNMENT, _padding, save
from tests.helpers.nets import write_net

SHARED = np.arange(6, dtype=np.float32).reshape(2, 3)
HELD = {
    "texts": ["", "caffe2py/1", "\u00e9\u4e2d\u6587", "a\nb", "\udc80"],
    "numbers": [0, -1, 255, 2**31, -(2**40), True, False, None],
    "nested": {"shape": (1, 3, 224, 224), "none": (), "empty": {}, "list": [[], [1]]},
    "state_dict": {
        "weight": np.linspace(-1, 1, 105, dtype=np.float32).reshape(3, 5, 7),
        "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "scalar": np.array(7, np.int64),
        "nothing": np.zeros((0, 4), np.float32),
        "odd": np.array([np.inf, -np.inf, np.nan, -0.0], np.float32),
        "one": SHARED,
        "same": SHARED,
    },
}


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_reads_what_was_held(mmap: bool, tmp_path: Path) -> None:
    save(HELD, tmp_path / "held.pt")
    read = torch.load(tmp_path / "held.pt", weights_only=True, mmap=mmap)
    state, wanted = read.pop("state_dict"), HELD["state_dict"]
    assert read == {name: value for name, value in HELD.items() if name != "state_dict"}
    assert list(state) == list(wanted)
    for name, tensor in state.items():
        np.testing.assert_array_equal(tensor.numpy(), wanted[name], strict=True)
        assert tensor.is_contiguous() and not tensor.requires_grad
    assert state["one"].data_ptr() == state["same"].data_ptr()


def test_it_is_a_sound_zip_whose_tensors_are_aligned(tmp_path: Path) -> None:
    path = tmp_path / "held.pt"
    save(HELD, path)
    theirs = tmp_path / "theirs.pt"
    torch.save({"w": torch.zeros(3)}, theirs)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(theirs) as other:
        assert archive.testzip() is None
        names = {name.partition("/")[2] for name in archive.namelist()}
        told = {name.partition("/")[2] for name in other.namelist()} - {".data/serialization_id"}
        assert told <= names
        data = path.read_bytes()
        members = [info for info in archive.infolist() if "/data/" in info.filename]
        assert len(members) == len(HELD["state_dict"]) - 1  # one storage has two names
        for info in members:
            name, extra = struct.unpack_from("<HH", data, info.header_offset + 26)
            assert (info.header_offset + 30 + name + extra) % ALIGNMENT == 0, info.filename


def test_a_storage_of_over_2_gb_is_aligned_too() -> None:
    info = zipfile.ZipInfo("archive/data/0")
    info.file_size, info.CRC = 3 << 30, 0
    info.extra = _padding(1000, info)
    assert (1000 + len(info.FileHeader(zip64=True))) % ALIGNMENT == 0


def test_writing_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        save(HELD, tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


@pytest.mark.parametrize("suffix", [".pt", ".py", ".safetensors"])
def test_a_conversion_does_not_wait_for_torch(suffix: str, tmp_path: Path) -> None:
    files = write_net(tmp_path)
    code = "import sys, caffe2py as c; c.convert(c.load(*sys.argv[1:3]), sys.argv[3]); print('torch' in sys.modules)"
    words = [sys.executable, "-c", code, *map(str, files), str(tmp_path / f"net{suffix}")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.stdout, done.stderr) == ("False\n", "")
