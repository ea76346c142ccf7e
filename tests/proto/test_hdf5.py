"""Weights in HDF5, and what is refused of HDF5 files from strangers."""

from __future__ import annotations

import sys
import time

import h5py
import numpy as np
import pytest

from caffe2py.errors import CaffeError, CaffemodelError, FileError, UnsupportedError, WeightError
from caffe2py.proto.hdf5 import trial
from caffe2py.proto.hdf5.safe import open_safely, read_array
from caffe2py.proto.schema import NetParameter
from caffe2py.proto.weights.hdf5 import write_caffemodel_h5
from caffe2py.proto.weights.read import read_weights
from tests.helpers.absent import each
from tests.helpers.recorded_nets import recorded_nets
from tests.helpers.reference import reference

THREE = np.array([0.5, -1, 2], "f4")


def as_caffe_writes(file):
    """/data and /diff, a group a layer, shared blobs at their owner only."""
    for top in ("data", "diff"):
        for name in ("conv", "relu", "shared"):
            file.create_group(f"{top}/{name}")
        file[f"{top}/conv"]["0"] = np.arange(210, dtype="f4").reshape(2, 3, 5, 7)
        file[f"{top}/conv"]["1"] = np.arange(2, dtype="f8")
        file[f"{top}/shared"]["1"] = THREE


def read(tmp_path, make):
    path = tmp_path / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        make(file)
    return read_weights(path)


def test_as_caffe_writes(tmp_path):
    weights = read(tmp_path, as_caffe_writes)
    assert weights.version == "HDF5"
    found = [
        (one.name, one.type, [(b.data.shape, b.data.dtype, b.absent) for b in one.blobs]) for one in weights.layers
    ]
    assert found == [
        ("conv", "", [((2, 3, 5, 7), np.float32, False), ((2,), np.float64, False)]),
        ("relu", "", []),
        ("shared", "", [((0,), np.float32, True), ((3,), np.float32, False)]),
    ]
    np.testing.assert_array_equal(weights.by_name["conv"].blobs[0].data.ravel(), np.arange(210))
    assert list(weights.by_name) == ["conv", "shared"]
    with pytest.raises(UnsupportedError, match="HDF5 weights hold no net; give the prototxt too"):
        weights.net()


def slashes(file):
    file["data/conv1/0"] = THREE
    file["data/conv1/bn/scale/0"] = THREE
    file.create_group("data/conv1/relu")


def swapped(file):
    file["data/a/0"] = THREE.astype(">f8")


def half(file):
    file["data/a/0"] = THREE.astype("f2")


def scalar(file):
    file["data/a/0"] = np.float32(3)


def packed_well(file):
    file.create_dataset("data/a/0", data=np.zeros((1000, 1000), "f4"), compression="gzip", chunks=(100, 1000))


def two_names_of_a_blob(file):
    file["data/a/0"] = THREE
    file["data/a/1"] = file["data/a/0"]


def not_utf8(file):
    group = file.create_group("data")
    h5py.h5g.create(group.id, b"caf\xe9")
    h5py.h5d.create(group.id, b"caf\xe9/0", h5py.h5t.IEEE_F32LE, h5py.h5s.create(h5py.h5s.SCALAR)).write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.array(1, "f4")
    )


READ = {
    "slashes in names": (slashes, {"conv1": [(3,)], "conv1/bn/scale": [(3,)], "conv1/relu": []}, "f4"),
    "big-endian doubles": (swapped, {"a": [(3,)]}, "f8"),
    "half floats": (half, {"a": [(3,)]}, "f4"),
    "scalar": (scalar, {"a": [()]}, "f4"),
    "compressed a thousand times": (packed_well, {"a": [(1000, 1000)]}, "f4"),
    "two names of a blob": (two_names_of_a_blob, {"a": [(3,), (3,)]}, "f4"),
    "name not UTF-8": (not_utf8, {"caf\\xe9": [()]}, "f4"),
}


@pytest.mark.parametrize("make, layers, dtype", READ.values(), ids=READ)
def test_read(tmp_path, make, layers, dtype):
    weights = read(tmp_path, make)
    assert {one.name: [blob.data.shape for blob in one.blobs] for one in weights.layers} == layers
    assert {blob.data.dtype for one in weights.layers for blob in one.blobs} == {np.dtype(dtype)}


def soft_link(file):
    file["data/a/0"] = h5py.SoftLink("/other")


def external_link(file):
    file["data/a"] = h5py.ExternalLink("other.h5", "/data")


def cycle(file):
    file["data/a/0"] = THREE
    file["data/a/b"] = file["data"]


def cycle_to_root(file):
    file["data/a"] = file["/"]


def external_storage(file):
    file.create_dataset("data/a/0", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (4,))
    file.create_virtual_dataset("data/a/0", layout)


def terabytes(file):
    file.create_dataset("data/a/0", (1 << 20, 1 << 20), "f4")


def terabytes_in_chunks(file):
    file.create_dataset("data/a/0", (1 << 20, 1 << 20), "f4", chunks=(1 << 10, 1 << 10), compression="gzip")


def a_chunk_missing(file):
    file.create_dataset("data/a/0", (4, 4), "f4", chunks=(2, 4))[:2] = 1


def bomb(file):
    """Packed twice, zeros shrink a thousand times a thousand times."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1 << 22,))
    plist.set_deflate(9)
    plist.set_deflate(9)
    group = file.create_group("data/a")
    space = h5py.h5s.create_simple((1 << 22,))
    h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, space, plist).write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(1 << 22, "f4")
    )


def strings(file):
    file["data/a/0"] = ["x", "y"]


def null(file):
    file["data/a/0"] = h5py.Empty("f4")


def integers(file):
    file["data/a/0"] = np.arange(3)


def long_doubles(file):
    file["data/a/0"] = THREE.astype("longdouble")


def no_number(file):
    file["data/a/weight"] = THREE


def large_number(file):
    file["data/a/99999999999"] = THREE


def padded_number(file):
    file["data/a/00"] = THREE


def blob_without_layer(file):
    file["data/0"] = THREE


def no_data(file):
    file["model_weights/conv"] = THREE


def data_is_no_group(file):
    file["data"] = THREE


def no_layers(file):
    file.create_group("data")


REFUSED = {
    "soft link": (soft_link, '"/data/a/0" is a link to another place'),
    "external link": (external_link, '"/data/a" is a link to another place'),
    "cycle": (cycle, '"/data/a/b" is a second name of a group'),
    "cycle to the root": (cycle_to_root, '"/data/a" is a second name of a group'),
    "external storage": (external_storage, '"/data/a/0" is stored in other files'),
    "virtual dataset": (virtual, '"/data/a/0" is stored in other files'),
    "terabytes": (terabytes, "declares 4398046511104 bytes, 0 are there"),
    "terabytes in chunks": (terabytes_in_chunks, "0 of 1048576 chunks are there"),
    "a chunk missing": (a_chunk_missing, "1 of 2 chunks are there"),
    "bomb": (bomb, "declares 16777216 bytes, "),
    "strings": (strings, "holds no numbers"),
    "null": (null, "holds no numbers"),
    "integers": (integers, "holds int64; want float32 or float64"),
    "long doubles": (long_doubles, "want float32 or float64"),
    "no number": (no_number, '"/data/a/weight" is no number of a blob'),
    "large number": (large_number, "is no number of a blob"),
    "padded number": (padded_number, "is no number of a blob"),
    "blob without a layer": (blob_without_layer, '"/data/0" is no group'),
    "no /data": (no_data, "without the group /data"),
    "/data is no group": (data_is_no_group, "without the group /data"),
    "no layers": (no_layers, "no layers in /data"),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path, make, message):
    with pytest.raises((FileError, CaffemodelError), match=f"net.caffemodel.h5: .*{message}"):
        read(tmp_path, make)


def test_cut(tmp_path):
    """HDF5 notices what is cut off when it opens the file or when it reads; either is an error of ours."""
    path = tmp_path / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        as_caffe_writes(file)
    whole = path.read_bytes()
    for cut in range(1, len(whole) - 1, 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(CaffeError):
            read_weights(path)


def test_a_changed_byte(tmp_path):
    """Every 31st byte of a file, set to all ones: where HDF5 notices, it is an error of ours."""
    path = tmp_path / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        as_caffe_writes(file)
    whole = path.read_bytes()
    outcomes = set()
    for at in range(8, len(whole), 31):
        if whole[at] == 255:
            continue
        path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        try:
            read_weights(path)
            outcomes.add("read")
        except CaffeError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_open_safely_says_what_else_it_is(tmp_path):
    path = tmp_path / "dump.h5"
    for content, message in ((b"PK\x03\x04", "not an HDF5 file: it is a zip"), (b"\x01\x02\x03", "not an HDF5 file$")):
        path.write_bytes(content)
        with pytest.raises(FileError, match=message):
            open_safely(path)
    with pytest.raises(FileError, match="no such file"):
        open_safely(tmp_path / "none.h5")


def test_read_array_keeps_what_a_dump_holds(tmp_path):
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        file["index"] = np.array([[3, 1, 2]], ">i8")
    with open_safely(path) as file:
        got = read_array(file["index"])
    assert (got.dtype, got.tolist()) == (np.int64, [[3, 1, 2]])


def net_of(*names: str):
    net = NetParameter(name="net")
    for name in names:
        net.layer.add(name=name, type="Scale")
    return net


def test_write_and_read(tmp_path):
    draw = np.random.default_rng(5)
    blobs = {
        "conv1": [draw.standard_normal((2, 3, 5), "f4"), np.array([np.nan, -0.0, np.inf, 1e-45], "f4")],
        "conv1/bn": [draw.standard_normal((3, 5)).T, np.float32(4).reshape(())],
    }
    path = tmp_path / "out.caffemodel.h5"
    write_caffemodel_h5(path, net_of("conv1", "relu", "conv1/bn"), blobs, even_if_caffe_cannot_read_it=True)
    weights = read_weights(path)
    assert sorted(one.name for one in weights.layers) == ["conv1", "conv1/bn", "relu"]
    for name, arrays in blobs.items():
        for array, blob in zip(arrays, weights.by_name[name].blobs, strict=True):
            assert (blob.data.shape, blob.data.dtype) == (array.shape, array.dtype)
            assert blob.data.tobytes() == array.tobytes()
    assert [one.name for one in tmp_path.iterdir()] == ["out.caffemodel.h5"]


def test_names_that_caffe_does_not_find(tmp_path):
    """Caffe opens the groups in /data by the names that it finds there: "conv1", never "conv1/bn"."""
    with pytest.raises(WeightError, match="layer 'conv1/bn' has a \"/\" in its name"):
        write_caffemodel_h5(tmp_path / "out.h5", net_of("conv1", "conv1/bn"), {"conv1/bn": [THREE]})
    assert not list(tmp_path.iterdir())
    write_caffemodel_h5(tmp_path / "out.h5", net_of("conv1", "conv1/relu"), {"conv1": [THREE]})
    with h5py.File(tmp_path / "out.h5") as file:
        assert list(file["data"]) == ["conv1"] and list(file["data/conv1"]) == ["0"]


@pytest.mark.parametrize("name", ["", ".", "..", "a//b", "/a", "a/", "a/../b"])
def test_names_that_hdf5_cannot_say(tmp_path, name):
    with pytest.raises(WeightError, match="HDF5 has no such name"):
        write_caffemodel_h5(tmp_path / "out.h5", net_of(name), {}, even_if_caffe_cannot_read_it=True)
    assert not list(tmp_path.iterdir())


def test_layer_named_as_a_blob_of_another(tmp_path):
    with pytest.raises(FileError, match=r"out\.h5: cannot write"):
        nested = {"even_if_caffe_cannot_read_it": True}
        write_caffemodel_h5(tmp_path / "out.h5", net_of("a", "a/0"), {"a": [THREE]}, **nested)
    assert not list(tmp_path.iterdir())


@each("net", recorded_nets("tiny"), "tiny nets", ids=lambda net: net.id)
def test_same_weights_as_the_binary_file(net, tmp_path):
    binary = read_weights(net.caffemodel(tmp_path))
    blobs = {one.name: [blob.data for blob in one.blobs] for one in binary.layers}
    write_caffemodel_h5(tmp_path / "again.caffemodel.h5", binary.net(), blobs, even_if_caffe_cannot_read_it=True)
    found = read_weights(tmp_path / "again.caffemodel.h5").by_name
    assert found.keys() == binary.by_name.keys()
    for name, one in binary.by_name.items():
        for ours, theirs in zip(found[name].blobs, one.blobs, strict=True):
            assert (ours.data.shape, ours.data.tobytes()) == (theirs.data.shape, theirs.data.tobytes())


def test_a_file_without_end_is_given_up(tmp_path):
    """Its attributes lie in a heap that leads back to itself. In the background, the next files wait for nothing."""
    endless, good = reference("hostile/05_hang_dump.h5"), tmp_path / "good.h5"
    with h5py.File(good, "w") as file:
        file["a"] = np.arange(3)
    trial.begin(endless)
    trial.begin(good)
    begun = time.process_time()
    for _ in range(2):
        with pytest.raises(FileError, match=r"05_hang_dump\.h5: a damaged HDF5 file: libhdf5 crashes, or comes to no"):
            open_safely(endless)
    with open_safely(good) as file:
        assert read_array(file["a"]).tolist() == [0, 1, 2]
    assert time.process_time() - begun < 1  # it was not this process that tried


def test_a_file_that_crashes_the_library_is_told(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.arange(3)
    crash = tmp_path / "h5py.py"
    crash.write_text("import os, signal\ndef File(*a, **b): os.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(trial, "_visitor", None)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FileError, match=r"a\.h5: a damaged HDF5 file"):
        open_safely(tmp_path / "a.h5")
    monkeypatch.undo()
    monkeypatch.setattr(trial, "_known", {})
    with open_safely(tmp_path / "a.h5"):
        pass


@pytest.mark.parametrize("executable", ["none", "/bin/false"])
def test_where_no_process_can_be_started_files_are_opened_all_the_same(tmp_path, monkeypatch, executable):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.arange(3)
    monkeypatch.setattr(trial, "_visitor", None)
    monkeypatch.setattr(sys, "executable", executable)
    with open_safely(tmp_path / "a.h5") as file:
        assert "a" in file
