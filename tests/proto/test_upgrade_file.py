"""`caffe2py upgrade`: old files written in today's format, and every net of the reference written and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.proto import NetText, format_net, parse_net, read_net
from caffe2py.proto.weights.read import read_weights
from tests.helpers.absent import each
from tests.helpers.encode import layer, legacy, packed, shape, text, v0_layer, v1_layer
from tests.helpers.nets import command
from tests.helpers.recorded_nets import prototxts

NETS = prototxts()
OLD_NETS = {id_: path for id_, path in NETS.items() if path.name.startswith(("v0_", "v1_"))}


def said(net: NetText) -> tuple[object, ...]:
    """All that a net says, without its places."""
    return (
        net.message,
        [(n.message, [(u.path, u.value) for u in n.unknown]) for n in net.layers],
        [u.path for u in net.unknown],
    )


@pytest.mark.parametrize("path", NETS.values(), ids=NETS)
def test_a_net_written_and_read_again_is_the_same(path: Path) -> None:
    net = read_net(path)
    again = parse_net(format_net(net))
    assert said(again) == said(net)
    assert format_net(again) == format_net(net)


@each("path", list(OLD_NETS.values()), "prototxts of 2013 and 2014", ids=lambda path: path.stem)
def test_an_old_net(path: Path, tmp_path: Path) -> None:
    done = caffe2py.upgrade(path, tmp_path / "new.prototxt")
    assert done.kind == "net" and any("upgraded" in note for note in done.notes)
    new = read_net(tmp_path / "new.prototxt")
    assert said(new) == said(read_net(path))
    assert not any("upgraded" in note for note in new.notes)


SOLVERS = {
    "of old": ('net: "n.prototxt"\nsolver_type: ADAGRAD\n', 'net: "n.prototxt"\ntype: "AdaGrad"\n'),
    "of today": ('net: "n.prototxt"\ntype: "SGD"\n', 'net: "n.prototxt"\ntype: "SGD"\n'),
    "with a field of a fork": ('net: "n.prototxt"\nbest: 3\n', 'net: "n.prototxt"\nbest: 3\n'),
}


@pytest.mark.parametrize(("old", "new"), SOLVERS.values(), ids=SOLVERS)
def test_a_solver(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text(old)
    assert caffe2py.upgrade(path, path).kind == "solver"
    assert path.read_text() == new


WEIGHT = legacy(1, 1, 2, 3) + packed(5, [1, 2, 3, 4, 5, 6])
BIAS = legacy(1, 1, 1, 2) + packed(5, [7, 8])
SHAPED = shape(2, 3) + packed(8, [1, 2, 3, 4, 5, 6], "d")
INNER_PRODUCT = 14  # V1LayerParameter.LayerType
CAFFEMODELS = {
    "V0": v0_layer("ip", "innerproduct", WEIGHT, BIAS),
    "V1": v1_layer("ip", INNER_PRODUCT, WEIGHT, BIAS),
    "V2": layer("ip", "InnerProduct", SHAPED, packed(5, [7, 8]) + shape(2)),
}


@pytest.mark.parametrize("version", CAFFEMODELS)
def test_a_caffemodel(version: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old.caffemodel", tmp_path / "new.caffemodel"
    old.write_bytes(text(1, "net") + CAFFEMODELS[version])
    assert caffe2py.upgrade(old, new).kind == "caffemodel"
    before, after = read_weights(old), read_weights(new)
    assert (after.version, after.name) == ("V2", "net")
    assert [(n.name, n.type) for n in after.layers] == [("ip", "InnerProduct")]
    for a, b in zip(before.by_name["ip"].blobs, after.by_name["ip"].blobs, strict=True):
        assert (a.data.dtype, a.data.shape, a.legacy) == (b.data.dtype, b.data.shape, b.legacy)
        assert np.array_equal(a.data, b.data)
    net = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }\n'
    net += 'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }'
    (tmp_path / "net.prototxt").write_text(net)
    graph = caffe2py.load(tmp_path / "net.prototxt", new)
    assert caffe2py.run(graph, {"x": np.ones((1, 3))})["y"].tolist() == [[6 + 7, 15 + 8]]


def test_the_command(tmp_path: Path) -> None:
    old, new = tmp_path / "solver.prototxt", tmp_path / "new.prototxt"
    old.write_text('net: "n.prototxt" solver_type: ADAM')
    done = command("upgrade", old, "-o", new, "--json")
    assert done.status == 0 and '"kind": "solver"' in done.out
    assert 'type: "Adam"' in new.read_text()


BAD = {
    "missing": (None, "no such file"),
    "empty": (b"", "the file is empty"),
    "no caffemodel": (b"\x00\x01\x02\x03" * 5, "no caffemodel"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), "a PNG picture"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    "both solver types": (b'net: "n" type: "SGD" solver_type: SGD', "both solver_type and type"),
    "both formats": (b'layer { name: "a" } layers { name: "b" }', "want one of them"),
}


@pytest.mark.parametrize(("data", "fact"), BAD.values(), ids=BAD)
def test_a_bad_file(data: bytes | None, fact: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    if data is not None:
        old.write_bytes(data)
    with pytest.raises(CaffeError, match=f"^{old}.*{fact}"):
        caffe2py.upgrade(old, new)
    assert not new.exists()
