"""Data layers: value for value as recorded, and what they refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import caffe2py.pycaffe as caffe
from caffe2py.errors import CaffeError, FileError
from caffe2py.proto.schema import message_class
from caffe2py.runtime.data import databases
from caffe2py.runtime.data.database_data import datum_array
from caffe2py.runtime.data.databases import new_database
from caffe2py.runtime.data.window_data import read_windows
from caffe2py.runtime.mode import set_workers
from tests.helpers.absent import each
from tests.helpers.reference import found, reference
from tests.helpers.running import net

NETS = [name for path in found("runtime/data_layers.h5") for name in h5py.File(path)["net"]]


@each("name", NETS, "runtime/")
def test_recorded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in found("runtime/data/*"):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    with h5py.File(reference("runtime/data_layers.h5")) as file:
        group = file["net"][name]
        made = net(tmp_path, group.attrs["prototxt"])
        for k in range(5):
            made.forward()
            for blob, expected in group[str(k)].items():
                np.testing.assert_array_equal(made.blobs[blob].data, expected[()])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures 1.png to 4.png of 6 x 5, whose pixels say their number; databases and an HDF5 file of ten rows."""
    import cv2

    monkeypatch.chdir(tmp_path)
    for backend in ("LMDB", "LEVELDB"):
        database = new_database(backend.lower(), backend)
        for i in range(1, 5):
            pixels = np.full((6, 5, 3), 10 * i, np.uint8)
            pixels[:, 0] = 200
            cv2.imwrite(f"{i}.png", pixels)
            datum = caffe.io.array_to_datum(pixels.transpose(2, 0, 1), label=i)
            database.put(f"{i:08}".encode(), datum.SerializeToString())
        database.close()
    Path("list.txt").write_text("".join(f"{i}.png {i}\n" for i in range(1, 5)))
    with h5py.File("ten.h5", "w") as file:
        file["rows"] = np.arange(10, dtype=np.float32)
        file["whole"] = np.arange(20).reshape(10, 2)
    Path("files.txt").write_text("ten.h5\n")
    return tmp_path


DATA = 'layer { name: "d" type: "Data" top: "x" top: "y" data_param { source: "%s" batch_size: 3 backend: %s } %s }'
HDF5 = 'layer { name: "d" type: "HDF5Data" top: "rows" hdf5_data_param { source: "files.txt" batch_size: 4 %s } }'
IMAGES = 'layer { name: "d" type: "ImageData" top: "x" top: "y" image_data_param { source: "list.txt" %s } %s }'


@pytest.mark.parametrize("backend", ["LMDB", "LEVELDB"])
def test_a_database_goes_round(folder: Path, backend: str) -> None:
    made = net(folder, DATA % (backend.lower(), backend, ""))
    labels = [made.forward()["y"].tolist() for _ in range(3)]
    assert labels == [[1, 2, 3], [4, 1, 2], [3, 4, 1]]
    assert made.blobs["x"].data[0, 0].tolist() == [[200, 30, 30, 30, 30]] * 6


def test_crops_and_mirrors_in_training(folder: Path) -> None:
    caffe.set_random_seed(1)
    made = net(folder, DATA % ("lmdb", "LMDB", "transform_param { crop_size: 5 mirror: true scale: 2 }"), caffe.TRAIN)
    edges = set()
    for _ in range(12):
        made.forward()
        edges |= {(int(x[0, 0, 0]), int(x[0, 0, -1])) for x in made.blobs["x"].data}
    assert made.blobs["x"].shape == (3, 3, 5, 5)
    assert {(400, 20), (20, 400)} <= edges
    caffe.set_random_seed(1)
    again = net(folder, DATA % ("lmdb", "LMDB", "transform_param { crop_size: 5 mirror: true scale: 2 }"), caffe.TRAIN)
    for _ in range(12):
        again.forward()
    np.testing.assert_array_equal(again.blobs["x"].data, made.blobs["x"].data)


def test_shuffled_rows_are_each_there_once(folder: Path) -> None:
    made = net(folder, HDF5 % "shuffle: true")
    rows = np.concatenate([made.forward()["rows"].copy() for _ in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != list(range(10))


def test_shuffled_pictures(folder: Path) -> None:
    made = net(folder, IMAGES % ("batch_size: 4 shuffle: true", ""))
    assert sorted(made.forward()["y"]) == sorted(made.forward()["y"]) == [1, 2, 3, 4]


LAYERS = {
    "Data": (DATA % ("lmdb", "LMDB", ""), "y", [1, 2, 3, 4, 1, 2], 1),
    "HDF5Data": (HDF5 % "", "rows", [0, 1, 2, 3, 4, 5, 6, 7], 0),
    "ImageData": (IMAGES % ("batch_size: 3", ""), "y", [1, 2, 3, 4, 1, 2], 1),
}


@pytest.mark.parametrize(("text", "blob", "rows", "first"), LAYERS.values(), ids=LAYERS)
def test_two_solvers_take_turns(folder: Path, text: str, blob: str, rows: list[int], first: int) -> None:
    found = []
    try:
        for rank in (0, 1):
            set_workers(2, rank)
            found.append(net(folder, text, caffe.TRAIN).forward()[blob].tolist())
    finally:
        set_workers(1, 0)
    assert [found[i % 2][i // 2] for i in range(len(rows))] == rows


def test_two_nets_read_one_database(folder: Path) -> None:
    one, other = (net(folder, DATA % ("leveldb", "LEVELDB", "")) for _ in range(2))
    one.forward()
    assert one.forward()["y"].tolist() == [4, 1, 2] and other.forward()["y"].tolist() == [1, 2, 3]


def test_memory_data(folder: Path) -> None:
    sizes = "batch_size: 2 channels: 1 height: 2 width: 2"
    made = net(folder, f'layer {{ name: "m" type: "MemoryData" top: "x" top: "y" memory_data_param {{ {sizes} }} }}')
    data = np.arange(16, dtype=np.float32).reshape(4, 1, 2, 2)
    made.set_input_arrays(data, np.arange(4, dtype=np.float32))
    assert [made.forward()["y"].tolist() for _ in range(3)] == [[0, 1], [2, 3], [0, 1]]
    np.testing.assert_array_equal(made.blobs["x"].data, data[:2])
    for array, labels, fact in (
        (data[:3], np.zeros(3, np.float32), "must be a multiple of batch size"),
        (data.astype(np.float64), np.zeros(4, np.float32), "data array must be float32"),
        (data, np.zeros(2, np.float32), "must have the same first dimension"),
        (data[:, :, :, :1], np.zeros(4, np.float32), "data array must be C contiguous"),
        (np.zeros((4, 2, 2, 2), np.float32), np.zeros(4, np.float32), "data array has wrong number of channels"),
    ):
        with pytest.raises(RuntimeError, match=fact):
            made.set_input_arrays(array, labels)


def test_hdf5_output_keeps_what_every_pass_brought(folder: Path) -> None:
    text = HDF5.replace('top: "rows"', 'top: "rows" top: "whole"') % ""
    out = 'layer { name: "o" type: "HDF5Output" bottom: "whole" bottom: "rows" hdf5_output_param { file_name: "o" } }'
    made = net(folder, text + out)
    made.forward()
    made.forward()
    with h5py.File("o") as file:
        assert file["label"][()].tolist() == list(range(8))
        assert file["data"].shape == (8, 2)


WINDOWS = """# 0
1.png
3
6
5
3
1 0.9 0 0 3 4
2 0.2 1 1 4 5
1 0.6 0 1 2 3
"""
WINDOW = """layer { name: "w" type: "WindowData" top: "x" top: "y" transform_param { crop_size: 4 %s }
  window_data_param { source: "windows.txt" batch_size: 8 fg_fraction: 0.25 %s } }"""


@pytest.mark.parametrize("mode", ["", "context_pad: 1", 'crop_mode: "square"'])
def test_windows(folder: Path, mode: str) -> None:
    Path("windows.txt").write_text(WINDOWS)
    assert [(w.label, overlap) for w, overlap in read_windows("windows.txt")] == [(1, 0.9), (2, 0.2), (1, 0.6)]
    made = net(folder, WINDOW % ("mean_value: 10", mode), caffe.TRAIN)
    found = made.forward()
    assert found["y"].tolist() == [0] * 6 + [1] * 2
    assert found["x"].shape == (8, 3, 4, 4)
    assert set(np.unique(found["x"])) >= {0.0}  # the pixels of 10, less the mean


WRONG = {
    "no database": (DATA % ("none", "LMDB", ""), "no such LMDB"),
    "a crop too large": (DATA % ("lmdb", "LMDB", "transform_param { crop_size: 7 }"), "crop_size is 7"),
    "two kinds of mean": (
        DATA % ("lmdb", "LMDB", 'transform_param { mean_value: 1 mean_file: "x" }'),
        "Cannot specify mean_file and mean_value at the same time",
    ),
    "two means for three channels": (
        DATA % ("lmdb", "LMDB", "transform_param { mean_value: 1 mean_value: 2 }"),
        "as many as channels: 3",
    ),
    "no list": (IMAGES.replace("list.txt", "none.txt") % ("", ""), "no such file"),
    "one side": (IMAGES % ("new_height: 3", ""), "gives one of new_height and new_width"),
    "no data set": (HDF5.replace('"rows"', '"none"') % "", 'holds no data set "none"'),
    "no samples": (
        'layer { name: "m" type: "MemoryData" top: "x" top: "y" '
        "memory_data_param { batch_size: 1 channels: 1 height: 1 width: 1 } }",
        "needs samples; want set_input_arrays before",
    ),
}


@pytest.mark.parametrize(("text", "fact"), WRONG.values(), ids=WRONG)
def test_refused(folder: Path, text: str, fact: str) -> None:
    with pytest.raises(CaffeError, match=fact):
        net(folder, text).forward()


@pytest.mark.parametrize("backend", ["LMDB", "LEVELDB"])
def test_damage_in_a_database_is_told(folder: Path, backend: str) -> None:
    for file in Path(backend.lower()).iterdir():
        data = bytearray(file.read_bytes())
        for at in range(0, len(data), 64):
            data[at : at + 4] = b"\xff\xff\xff\xff"
        file.write_bytes(data)
    with pytest.raises(CaffeError, match=backend.lower()):
        net(folder, DATA % (backend.lower(), backend, "")).forward()


def test_a_database_for_which_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "ROOM", 1 << 15)
    made = databases.new_database(str(tmp_path / "db"), "LMDB")
    with pytest.raises(OSError, match="mapsize limit reached"):
        for i in range(100):
            made.put(b"%d" % i, bytes(1000))


@pytest.mark.parametrize("sizes", [(-1, -1, 1), (2**16, 2**16, 2**32 - 2**31 - 1)])
def test_a_record_of_an_impossible_shape(sizes: tuple[int, int, int]) -> None:
    datum = message_class("Datum")(channels=sizes[0], height=sizes[1], width=sizes[2], data=b"1")
    with pytest.raises(CaffeError, match="a record of shape"):
        datum_array(datum, "db")


def test_an_output_without_a_folder(folder: Path) -> None:
    text = HDF5.replace('top: "rows"', 'top: "rows" top: "whole"') % ""
    text += ' layer { name: "o" type: "HDF5Output" bottom: "rows" bottom: "whole" '
    with pytest.raises(FileError, match=r"none/out\.h5: cannot write"):
        net(folder, text + 'hdf5_output_param { file_name: "none/out.h5" } }').forward()


ODD_WINDOWS = {
    "outside": (WINDOWS.replace("2 0.2 1 1 4 5", "2 0.2 90 90 95 95"), "", r"nothing of 1\.png is in its window"),
    "all border": (WINDOWS, "context_pad: 2", "context_pad of 2; want less than half of crop_size"),
    "cut short": (WINDOWS[:-5], "", "not a window file"),
}


@pytest.mark.parametrize("case", ODD_WINDOWS)
def test_windows_that_cannot_be_cut(folder: Path, case: str) -> None:
    windows, mode, fact = ODD_WINDOWS[case]
    Path("windows.txt").write_text(windows)
    with pytest.raises(CaffeError, match=fact):
        net(folder, WINDOW % ("mean_value: 10", mode), caffe.TRAIN).forward()


def test_pictures_of_two_sizes(folder: Path) -> None:
    import cv2

    cv2.imwrite("2.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(CaffeError, match=r"samples of \(3, 6, 5\) and \(3, 4, 4\) in one batch"):
        net(folder, IMAGES % ("batch_size: 2", "")).forward()
    Path("list.txt").write_text("1.png one\n")
    with pytest.raises(CaffeError, match=r'line 1 is "1\.png one"; want a file, a blank, and a label'):
        net(folder, IMAGES % ("", ""))
