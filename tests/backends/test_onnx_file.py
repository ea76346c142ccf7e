"""`.onnx` files: streamed whole, the same bytes each time, with their provenance, and checked after writing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import caffe2py
from caffe2py.backends.files import onnx_file
from caffe2py.backends.onnx import check as onnx_check
from caffe2py.backends.onnx.check import check_file
from caffe2py.backends.preprocessing import preprocessing
from caffe2py.errors import CheckError, NetError
from tests.helpers.nets import SMALL, command, graph_of, write_net
from tests.helpers.runtimes import in_onnxruntime

X = np.random.RandomState(3).uniform(-1, 1, (2, 3, 9, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_net(tmp_path_factory.mktemp("net"), f"# mean_value: 104, 117, 123\n{SMALL}")


@pytest.mark.parametrize("options", [{}, {"fold": True}, {"float16": True, "batch": 3}], ids=str)
def test_the_file_is_the_model(files: tuple[Path, Path], tmp_path: Path, options: dict[str, object]) -> None:
    """What is streamed is what protobuf would have written, and the same each time."""
    graph = caffe2py.load(*files)
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path in paths:
        assert caffe2py.convert(graph, path, **options) == [path]
    assert paths[0].read_bytes() == caffe2py.to_onnx(graph, **options).SerializeToString()  # type: ignore[arg-type]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


def test_it_is_written_without_torch(files: tuple[Path, Path], tmp_path: Path) -> None:
    said = f"caffe2py.convert(caffe2py.load({str(files[0])!r}, {str(files[1])!r}), {str(tmp_path / 'net.onnx')!r})"
    code = f"import sys, caffe2py; {said}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_weights_are_caffes_own(files: tuple[Path, Path], tmp_path: Path) -> None:
    graph = caffe2py.load(*files)
    caffe2py.convert(graph, tmp_path / "net.onnx")
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "net.onnx").graph.initializer}
    for node in (graph.node("conv/1"), graph.node("fc")):
        for weight in node.weights:
            np.testing.assert_array_equal(stored[f"{node.name}.{weight.name}"], weight.data)


def test_it_says_where_it_is_from(files: tuple[Path, Path]) -> None:
    model = caffe2py.to_onnx(caffe2py.load(*files))
    said = {p.key: p.value for p in model.metadata_props}
    assert (model.producer_name, model.producer_version, model.graph.name) == (
        "caffe2py",
        caffe2py.__version__,
        "small net",
    )
    assert said == {
        "made_by": f"caffe2py {caffe2py.__version__}",
        "net": "small net",
        "phase": "TEST",
        "prototxt": "net.prototxt",
        "caffemodel": "net.caffemodel",
        "prototxt_sha256": hashlib.sha256(files[0].read_bytes()).hexdigest(),
        "caffemodel_sha256": hashlib.sha256(files[1].read_bytes()).hexdigest(),
        "preprocessing": "(pixel - mean) * scale, pixels 0 to 255",
        "preprocessing.input": "data",
        "preprocessing.channels": "BGR",
        "preprocessing.size": "9 x 7 (height x width)",
        "preprocessing.mean": "104, 117, 123",
        "preprocessing.scale": "1",
        "preprocessing.source": "comment in line 1 of the prototxt",
    }


def test_large_weights_stand_beside_it(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST", 100)
    monkeypatch.setattr(onnx_file, "INSIDE", 64)
    graph = caffe2py.load(*files)
    path, data = tmp_path / "net.onnx", tmp_path / "net.onnx.data"
    data.write_bytes(b"of an earlier day")
    assert caffe2py.convert(graph, path) == [path, data]
    stored = onnx.load(path, load_external_data=False).graph.initializer
    aside = {t.name: {e.key: e.value for e in t.external_data} for t in stored if t.external_data}
    assert [a["location"] for a in aside.values()] == ["net.onnx.data"] * 2  # conv/1.weight and fc.weight
    assert all(int(a["offset"]) % 4096 == 0 for a in aside.values())
    check_file(path, graph)
    top = in_onnxruntime(path, graph.outputs)({"data": X})["prob"]
    np.testing.assert_allclose(top, caffe2py.run(graph, {"data": X})["prob"], rtol=1e-5)  # a few dozen float32 sums


def changed(path: Path, name: str) -> None:
    """The file with another number in one of its tensors."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == name:
            array = onnx.numpy_helper.to_array(tensor).copy()
            array.flat[0] += 0.1
            tensor.raw_data = array.tobytes()
    onnx.save(model, path)


def renamed(path: Path, _: str) -> None:
    """The file with a node that reads what nobody makes."""
    model = onnx.load(path)
    model.graph.node[-1].input[0] = "nothing"
    onnx.save(model, path)


FAULTS = {
    "a weight": (changed, 'output ".*" in onnxruntime differs from our own run by .* of its largest value; want'),
    "a name": (renamed, "onnx.checker finds a fault"),
    "not onnx": (lambda path, _: path.write_bytes(b"no model"), "onnx.checker finds a fault"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_finds(fault: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    change, message = FAULTS[fault]
    graph = caffe2py.load(*files)
    path = tmp_path / "net.onnx"
    caffe2py.convert(graph, path)
    assert check_file(path, graph).worst is not None
    change(path, "fc.weight")
    with pytest.raises(CheckError, match=message):
        check_file(path, graph)


def test_command(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "net.onnx"
    done = command("convert", *files, "-o", out, "--batch", 3, "--opset", 17, "--fold", "--axpy", "function")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[1].startswith("checked: onnxruntime differs from our own run by ")
    model = onnx.load(out)
    assert model.opset_import[0].version == 17
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 3
    assert "BatchNormalization" not in [n.op_type for n in model.graph.node]
    said = {p.key: p.value for p in model.metadata_props}
    assert said["caffemodel_sha256"] == hashlib.sha256(files[1].read_bytes()).hexdigest()


def test_command_without_a_check(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_check, "check_file", None)
    done = command("convert", *files, "-o", tmp_path / "net.onnx", "--no-check")
    assert (done.status, done.err) == (0, "") and len(done.out.splitlines()) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("no\nroom"), MemoryError(), NetError("this net is too wide"), KeyError(3)]
)
def test_a_check_that_breaks_is_status_3(
    error: Exception, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(graph: object) -> None:
        raise error

    monkeypatch.setattr(onnx_check, "_our_run", broken)
    done = command("convert", *files, "-o", tmp_path / "net.onnx")
    assert done.status == 3 and "net.onnx: the check could not be made: " in done.err, done
    assert (tmp_path / "net.onnx").exists()


def test_a_failed_check_is_status_3(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_check, "BAR", -1.0)
    done = command("convert", *files, "-o", tmp_path / "net.onnx")
    assert done.status == 3 and "differs from our own run" in done.err
    assert (tmp_path / "net.onnx").exists()
    done = command("convert", *files, "-o", tmp_path / "net.onnx", "--json")
    assert done.status == 3 and json.loads(done.out)["check"]["ok"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "net.pt", "--fold"], "--fold is for OUT.onnx"),
        (["-o", "net.pt", "--no-check"], "--no-check is for OUT.onnx"),
        (["-o", "net.onnx", "--style", "flat"], "--style is for OUT.py"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_of_other_files(files: tuple[Path, Path], words: list[str], message: str) -> None:
    done = command("convert", *files, *words)
    assert done.status == 2 and message in done.err


PICTURE = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 5 dim: 7 } } }'
TRAINED = """layer { name: "train" type: "Data" top: "data" include { phase: TRAIN }
  transform_param { mean_value: 127.5 scale: 0.0078125 } }"""
GREY = PICTURE.replace("dim: 3", "dim: 1")

# What a prototxt says: (its text, mean, scale, channels, where).
SAID: dict[str, tuple[str, object]] = {
    "SENet's comment": (f"# mean_value: 104, 117, 123\n{PICTURE}", ((104, 117, 123), 1.0, "BGR", "comment in line 1")),
    "our own comment": (
        f"\n# BGR pictures, 0 to 255, less the means 104, 117.5, 123.\n{PICTURE}",
        ((104, 117.5, 123), 1.0, "BGR", "comment in line 2"),
    ),
    "a data layer of training": (
        f"{TRAINED}\n{PICTURE}",
        ((127.5,), 0.0078125, "BGR", 'transform_param of layer "train"'),
    ),
    "a grey picture": (f"# mean: 33.5\n{GREY}", ((33.5,), 1.0, "grey", "comment in line 1")),
    "means of another count": (f"# mean_value: 104, 117\n{PICTURE}", None),
    "nothing": (PICTURE, None),
    "no picture": (f"# mean_value: 104, 117, 123\n{PICTURE.replace('dim: 5', '')}", None),
}


LESS = "# RGB pictures, 0 to 255, less the means 123.5, 116, 103.5"
# What says how pictures are made for a net, and the constants of its emitted file.
DIVIDED = {
    "a comment": (f"{LESS}, divided by 58, 57, 57.5.\n{PICTURE}", ((123.5, 116, 103.5), (58, 57, 57.5))),
    "a data layer beside it": (f"{LESS}, divided by 58, 57, 57.5.\n{TRAINED}\n{PICTURE}", (127.5, (58, 57, 57.5))),
    "none": (f"{LESS}.\n{PICTURE}", ((123.5, 116, 103.5), None)),
}


@pytest.mark.parametrize("name", DIVIDED)
def test_what_pictures_are_divided_by_is_told(name: str) -> None:
    text, wanted = DIVIDED[name]
    graph = graph_of(text + '\nlayer { name: "DIVISORS" type: "ReLU" bottom: "data" top: "DIVISORS" }')
    said = preprocessing(graph)
    assert said and (said.divisors or None) == wanted[1]
    source = caffe2py.to_source(graph, "exact")
    assert "DIVISORS_2 = " in source  # the layer's
    scope: dict[str, object] = {"__name__": "emitted", "__file__": "net.py"}
    exec(source, scope)
    assert (scope["MEAN"], scope.get("DIVISORS")) == wanted


@pytest.mark.parametrize("name", SAID)
def test_preprocessing_that_a_prototxt_says(name: str) -> None:
    text, wanted = SAID[name]
    found = preprocessing(graph_of(text + '\nlayer { name: "y" type: "ReLU" bottom: "data" top: "y" }'))
    said = found and (found.mean, found.scale, found.channels, found.source.removesuffix(" of the prototxt"))
    assert said == wanted


def test_a_check_of_huge_values_warns_of_nothing(tmp_path: Path) -> None:
    graph = graph_of(
        f'{SMALL} layer {{ name: "y" type: "Power" bottom: "fc" top: "y" power_param {{ shift: 3e38 }} }}', True
    )
    caffe2py.convert(graph, tmp_path / "net.onnx")
    worst = check_file(tmp_path / "net.onnx", graph).worst
    assert worst is not None and worst < 1e-5
