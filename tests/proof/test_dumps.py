"""Dumps of every form: read back, refused where they lie, and never held whole."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

import caffe2py
from caffe2py.errors import CaffeError, FileError
from caffe2py.graph import Graph
from caffe2py.proof.dumps.reading import LayerDump, NamedDump, open_dump
from caffe2py.proof.dumps.sample import Sample
from caffe2py.proof.dumps.writing import take_sample, write_dump
from caffe2py.proof.record import noise
from tests.helpers.damage import damaged
from tests.helpers.hdf5_layout import versions
from tests.helpers.nets import SMALL, graph_of
from tests.helpers.reference import found

SUFFIXES = (".h5", ".npz")
X = np.random.RandomState(3).uniform(-1, 1, (2, 3, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(SMALL, weights=True)


@pytest.fixture(scope="module")
def fed(graph: Graph) -> dict[str, np.ndarray]:
    return {blob: x / 128 for blob, x in noise(graph).items()}  # small enough that prob does not saturate


def write(path: Path, samples: int | None = None, name: str = "a/b", blob: str = "da/ta") -> Path:
    with write_dump(path, samples, net="n", phase="TEST", prototxt="name: 'n'") as writer:
        writer.say(caffemodel_sha256="0" * 64)
        writer.input(blob, X)
        writer.layer(name, "ReLU", ["da/ta"], ["y", "z"], [X + 1, X + 2])
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_whole_values_come_back(tmp_path: Path, suffix: str) -> None:
    with open_dump(write(tmp_path / f"d{suffix}")) as dump:
        assert isinstance(dump, LayerDump)
        assert (dump.net, dump.phase, dump.prototxt, dump.caffemodel_sha256) == ("n", "TEST", "name: 'n'", "0" * 64)
        (record,) = dump.records
        assert (record.name, record.type, record.bottoms, record.blobs) == ("a/b", "ReLU", ("da/ta",), ("y", "z"))
        np.testing.assert_array_equal(record.tops[1].read(), X + 2)
        np.testing.assert_array_equal(dump.inputs["da/ta"](), X)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_samples_come_back_with_the_statistics_of_all_values(tmp_path: Path, suffix: str) -> None:
    with open_dump(write(tmp_path / f"d{suffix}", samples=7)) as dump:
        assert isinstance(dump, LayerDump)
        top = dump.records[0].tops[0].read()
    assert isinstance(top, Sample)
    assert top.shape == X.shape and 1 <= len(top.index) <= 7
    np.testing.assert_array_equal(top.value, (X + 1).ravel()[top.index])
    wide = (X + 1).astype(np.float64)
    said = (top.mean, top.std, top.min, top.max, top.l2)
    assert said == pytest.approx((wide.mean(), wide.std(), wide.min(), wide.max(), np.linalg.norm(wide)), rel=1e-12)


def test_the_last_top_is_read_whole_where_it_is_there(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["layer/0000/top1"]
        file["layer/0000"].attrs["tops"] = '["y"]'
        file["output"] = X + 1

    with open_dump(edited(tmp_path, change, samples=7)) as dump:
        assert isinstance(dump, LayerDump)
        top = dump.records[0].tops[0].read()
    assert isinstance(top, Sample)
    np.testing.assert_array_equal(top.value, (X + 1).ravel())


def test_a_sample_of_few_values_is_all_of_them() -> None:
    np.testing.assert_array_equal(take_sample(X, 100, "k").value, X.ravel())
    assert take_sample(np.zeros((2, 0)), 100, "k").shape == (2, 0)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["x" * 300, "<b>&\"'", "\udcff", "", "グラフ"], ids=ascii)
def test_any_name_comes_back(tmp_path: Path, name: str, suffix: str) -> None:
    blob = name or "data"
    with open_dump(write(tmp_path / f"d{suffix}", name=name, blob=blob)) as dump:
        assert isinstance(dump, LayerDump)
        assert dump.records[0].name == name
        np.testing.assert_array_equal(dump.inputs[blob](), X)


def test_an_input_that_hdf5_cannot_name(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"HDF5 has no such name as 'a/\.\./b'.*an \.npz has"):
        write(tmp_path / "d.h5", blob="a/../b")
    assert list(tmp_path.iterdir()) == []
    with open_dump(write(tmp_path / "d.npz", blob="a/../b")) as dump:
        assert isinstance(dump, LayerDump) and list(dump.inputs) == ["a/../b"]


def test_the_same_values_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, samples=7).read_bytes() for name in ("a.npz", "b.npz"))
    assert first == second
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["input/da/ta"], X)


@pytest.mark.parametrize("values", [[1.0, np.inf], [np.nan, 1.0], [3e30, 3e30], [-2.0]], ids=str)
def test_statistics_of_all_values(values: list[float]) -> None:
    array = np.array(values, np.float32)
    wide = array.astype(np.float64)
    with np.errstate(invalid="ignore"):
        wanted = (wide.mean(), wide.std(), wide.min(), wide.max(), np.linalg.norm(wide))
    top = take_sample(array, 1, "k")
    said = (top.mean, top.std, top.min, top.max)
    assert said == pytest.approx(wanted[:4], nan_ok=True)
    assert not np.isfinite(wide).all() or top.l2 == pytest.approx(wanted[4])


def test_a_prototxt_longer_than_an_attribute_may_be(tmp_path: Path) -> None:
    long = "# x\n" * 50_000
    with write_dump(tmp_path / "d.h5", prototxt=long) as writer:
        writer.layer("a", "ReLU", ["x"], ["y"], [X])
    with open_dump(tmp_path / "d.h5") as dump:
        assert isinstance(dump, LayerDump) and dump.prototxt == long


@pytest.mark.parametrize("samples", [None, 7], ids=["whole", "sampled"])
def test_a_dump_is_read_by_every_hdf5_since_1_8(graph: Graph, tmp_path: Path, samples: int | None) -> None:
    path = write(tmp_path / "d.h5", samples)
    with h5py.File(path) as file:
        assert len(file["layer"]) == 1
    superblock, layouts = versions(path)
    assert superblock <= 2 and layouts == {3}


def test_nothing_is_left_of_a_dump_that_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), write_dump(tmp_path / "d.h5"):
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


# What people have: arrays by blob or by layer


def blobs_npz(graph: Graph, fed: dict[str, np.ndarray], folder: Path) -> Path:
    np.savez(folder / "d.npz", **caffe2py.run(graph, fed, record="blobs"))
    return folder / "d.npz"


def blobs_h5(graph: Graph, fed: dict[str, np.ndarray], folder: Path) -> Path:
    with h5py.File(folder / "d.h5", "w") as file:
        for blob, array in caffe2py.run(graph, fed, record="blobs").items():
            file.create_dataset(blob, data=array, compression="gzip", chunks=True)
    return folder / "d.h5"


def blobs_folder(graph: Graph, fed: dict[str, np.ndarray], folder: Path) -> Path:
    for blob, array in caffe2py.run(graph, fed, record="blobs").items():
        np.save(folder / f"{blob}.npy", array)
    return folder


def layers_npz(graph: Graph, fed: dict[str, np.ndarray], folder: Path) -> Path:
    """As `{name: net.forward(name)}` of OpenCV."""
    layers = {name: tops[0] for name, tops in caffe2py.run(graph, fed, record="layers").items()}
    np.savez_compressed(folder / "d.npz", **layers)
    return folder / "d.npz"


def layers_folder(graph: Graph, fed: dict[str, np.ndarray], folder: Path) -> Path:
    """Layer names in file names, in which "/" cannot stand."""
    for name, tops in caffe2py.run(graph, fed, record="layers").items():
        np.save(folder / f"{name.replace('/', '_')}.npy", tops[0])
    return folder


FORMS: dict[str, tuple[Callable[[Graph, dict[str, np.ndarray], Path], Path], int]] = {
    "npz of blobs": (blobs_npz, 5),  # conv as the ReLU left it, pool, fc, prob, gate
    "h5 of blobs": (blobs_h5, 5),
    "folder of blobs": (blobs_folder, 5),
    "npz of layers": (layers_npz, 8),
    "folder of layers": (layers_folder, 8),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_people_have_verifies(graph: Graph, fed: dict[str, np.ndarray], tmp_path: Path, form: str) -> None:
    make, values = FORMS[form]
    report = caffe2py.verify(graph, make(graph, fed, tmp_path))
    assert report.ok and report.counts()["ok"] == values, report
    assert not report.notes


@pytest.mark.parametrize("form", FORMS)
def test_a_fault_shows_in_what_people_have(graph: Graph, fed: dict[str, np.ndarray], tmp_path: Path, form: str) -> None:
    from dataclasses import replace

    make, _ = FORMS[form]
    nodes = [replace(n, layer=replace(n.layer, eps=1e-3)) if n.name == "bn" else n for n in graph.nodes]  # type: ignore[type-var]
    report = caffe2py.verify(graph, make(replace(graph, nodes=tuple(nodes)), fed, tmp_path))
    assert report.first_offender is not None and report.diagnosis is not None
    # Where only the end of conv is known, the layers that lead to it are tried one after another.
    assert report.first_offender.name == ("bn" if "layers" in form else "relu")
    assert (report.diagnosis.layer, report.diagnosis.cause) == ("bn", "eps: 0.001 in the reference, 1e-05 in ours")


# What is no dump, or lies


def npz_of(folder: Path, name: str, data: bytes) -> Path:
    with zipfile.ZipFile(folder / "d.npz", "w") as file:
        file.writestr(name, data)
    return folder / "d.npz"


def npy(array: np.ndarray, **settings: bool) -> bytes:
    held = io.BytesIO()
    np.save(held, array, **settings)
    return held.getvalue()


def text_file(folder: Path) -> Path:
    (folder / "d.txt").write_text("conv 1 2 3")
    return folder / "d.txt"


def pickled(folder: Path) -> Path:
    return npz_of(folder, "conv.npy", npy(np.array([object()]), allow_pickle=True))


def overdeclared(folder: Path) -> Path:
    data = npy(np.zeros((2, 3), np.float32)).replace(b"(2, 3)", b"(2, 9)")
    return npz_of(folder, "conv.npy", data)


def empty_zip(folder: Path) -> Path:
    return npz_of(folder, "readme.txt", b"x")


def cut_npz(folder: Path) -> Path:
    np.savez(folder / "d.npz", conv=X)
    data = (folder / "d.npz").read_bytes()
    (folder / "d.npz").write_bytes(data[: len(data) // 2])
    return folder / "d.npz"


def other_format(folder: Path) -> Path:
    with h5py.File(folder / "d.h5", "w") as file:
        file.attrs["format"] = "caffe-activations/9"
    return folder / "d.h5"


def no_layer_group(folder: Path) -> Path:
    with h5py.File(folder / "d.h5", "w") as file:
        file.attrs["format"] = "caffe-activations/1"
        file.create_group("input")
    return folder / "d.h5"


def edited(folder: Path, change: Callable[[h5py.File], None], samples: int | None = None) -> Path:
    path = write(folder / "d.h5", samples)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def linked(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        file["layer/0001"] = h5py.ExternalLink("/etc/passwd", "/")

    return edited(folder, change)


def index_outside(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        file["layer/0000/top0/index"][0] = 10**6

    return edited(folder, change, samples=7)


def no_shape(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        del file["layer/0000/top0"].attrs["shape"]

    return edited(folder, change, samples=7)


def said_of_a_sample(key: str, value: object) -> Callable[[Path], Path]:
    def change(file: h5py.File) -> None:
        file["layer/0000/top0"].attrs[key] = value

    return lambda folder: edited(folder, change, samples=7)


def tops_missing(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        del file["layer/0000/top0"]

    return edited(folder, change)


def bad_names(folder: Path) -> Path:
    def change(file: h5py.File) -> None:
        file["layer/0000"].attrs["tops"] = "[1, 2"

    return edited(folder, change)


LIES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "no.h5", "no such file"),
    "text": (text_file, "is no dump of activations; want caffe-activations/1"),
    "empty folder": (lambda folder: folder, "a folder without .npy files"),
    "a pickle": (pickled, "holds object, not numbers"),
    "more declared than there": (overdeclared, "declares 72 bytes, 24 are there"),
    "a zip without arrays": (empty_zip, "a zip file without arrays"),
    "a cut zip": (cut_npz, "a damaged .npz"),
    "another format": (other_format, 'has format "caffe-activations/9"; want "caffe-activations/1"'),
    "no layers": (no_layer_group, "has no group /layer"),
    "a link out of the file": (linked, "is a link to another place: refused"),
    "an index outside": (index_outside, "has an index outside its shape"),
    "a sample without a shape": (no_shape, "a damaged sample"),
    "a mean that is a text": (said_of_a_sample("mean", "abc"), "a damaged sample"),
    "a mean of two numbers": (said_of_a_sample("mean", [1.0, 2.0]), "a damaged sample"),
    "tops that do not count up": (tops_missing, "holds top1; want top0"),
    "names that are no list": (bad_names, "are no JSON list of names"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_dump_is_refused(tmp_path: Path, lie: str) -> None:
    make, said = LIES[lie]
    path = make(tmp_path)
    with pytest.raises(FileError) as caught, open_dump(path) as dump:
        if isinstance(dump, NamedDump):
            [read() for read in dump.arrays.values()]
        else:
            [top.read() for record in dump.records for top in record.tops]
    assert said in str(caught.value)
    assert str(caught.value).startswith(os.fspath(path)) and "\n" not in str(caught.value)


def test_a_dump_of_another_net_is_told(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match='nothing in it is a layer or blob of net "small net"'):
        caffe2py.verify(graph, write(tmp_path / "d.h5"))


def test_a_dump_without_the_input_is_told(graph: Graph, fed: dict[str, np.ndarray], tmp_path: Path) -> None:
    values = caffe2py.run(graph, fed, record="blobs")
    del values["data"]
    np.savez(tmp_path / "d.npz", **values)
    with pytest.raises(CaffeError, match='holds no input "data"'):
        caffe2py.verify(graph, tmp_path / "d.npz")


def test_a_dump_is_read_value_by_value(tmp_path: Path) -> None:
    """Verifying a net of forty layers of 1 MB holds a few values at a time, not all of the dump."""
    layers = "".join(
        f'layer {{ name: "r{i}" type: "Power" bottom: "x{i}" top: "x{i + 1}" power_param {{ shift: 1 }} }}\n'
        for i in range(40)
    )
    text = 'layer { name: "x0" type: "Input" top: "x0" input_param { shape { dim: 64 dim: 4096 } } }\n' + layers
    chain = graph_of(text)
    caffe2py.record(chain, noise(chain), tmp_path / "d.h5")
    assert (tmp_path / "d.h5").stat().st_size > 40 * 2**20
    caffe2py.verify(chain, tmp_path / "d.h5")  # what is loaded once is loaded
    tracemalloc.start()
    assert caffe2py.verify(chain, tmp_path / "d.h5").ok
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20  # numpy's share: a value in float32 and float64, and their difference


@pytest.mark.parametrize("path", found("hostile/damaged_dump_*/n.*"), ids=lambda path: path.suffix)
def test_dumps_that_were_made_for_it(path: Path) -> None:
    with pytest.raises(CaffeError, match=f"{path.name}: a damaged "):
        caffe2py.compare(path, path)


def test_bytes_that_were_changed(tmp_path: Path) -> None:
    """A few hundred of many: nothing but a CaffeError, or a dump."""
    for data in damaged(write(tmp_path / "good.npz", samples=7).read_bytes(), times=300, whole=2):
        (tmp_path / "bad.npz").write_bytes(data)
        with suppress(CaffeError):
            caffe2py.compare(tmp_path / "bad.npz", tmp_path / "good.npz")
