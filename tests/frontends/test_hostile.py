"""Crafted files of other makers: each is refused in words, soon, and before what it asks for is made."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from caffe2py.errors import CaffeError, UnsupportedError
from caffe2py.frontends.caffe import draft
from caffe2py.frontends.onnx.translate import load_onnx
from caffe2py.frontends.tensors.read import read_tensors
from caffe2py.proto.weights.wire import encode_field, encode_packed
from tests.helpers.onnx_models import differences, ints, model, node, saved

ADD = node("Add", "x w")
X = {"x": (1, 3, 8, 8)}


def stored(dims: list[int], data: bytes = bytes(4096), kind: int = TensorProto.FLOAT, **place: str) -> onnx.ModelProto:
    """A sum of x and an initializer as it is said; `place`: it lies in another file."""
    made = model([ADD], X)
    tensor = made.graph.initializer.add(name="w", dims=dims, data_type=kind)
    if place:
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=value)
    else:
        tensor.raw_data = data
    return made


def calling(times: int, *functions: int) -> onnx.ModelProto:
    """A model with functions, each of which calls another one `times`."""
    made = model([helper.make_node("f0", ["x"], ["y"], domain="f")], X)
    made.opset_import.append(helper.make_opsetid("f", 1))
    for i, called in enumerate(functions):
        names = ["a", *(f"t{j}" for j in range(times))]
        nodes = [helper.make_node(f"f{called}", [names[j]], [names[j + 1]], domain="f") for j in range(times)]
        made.functions.append(helper.make_function("f", f"f{i}", ["a"], names[-1:], nodes, made.opset_import))
    return made


def twice_stored() -> onnx.ModelProto:
    made = model([ADD], X, {"w": np.ones(1, np.float32)})
    made.graph.initializer.append(made.graph.initializer[0])
    return made


def endless() -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", "c", "d"), node("Identity", "a", "b")],
        "body",
        [helper.make_tensor_value_info(n, k, s) for n, k, s in (("i", 7, []), ("c", 9, []), ("a", 1, [1]))],
        [helper.make_tensor_value_info(n, k, s) for n, k, s in (("d", 9, []), ("b", 1, [1]))],
    )
    known = {"n": np.array(2**60), "t": np.array(True), "v": np.ones(1, np.float32)}
    return model([node("Loop", "n t v", "w", body=body), ADD], X, known)


MODELS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "a NUL in a name": (lambda: stored([3], location="a\0b"), "in the model's folder"),
    "a file above": (lambda: stored([3], location="../../etc/passwd"), "in the model's folder"),
    "a link": (lambda: stored([3], location="link"), "in the model's folder"),
    "a pipe": (lambda: stored([3], location="pipe"), "pipe: is a pipe"),
    "sizes that wrap": (lambda: stored([2**33, 2**33], location="w.bin", length="0"), "0 are there"),
    "sizes below 0": (lambda: stored([-1, -1024]), "4096 are there"),
    "an unknown type": (lambda: stored([1024], kind=99), 'tensor "w"'),
    "texts": (lambda: stored([1024], kind=TensorProto.STRING), 'tensor "w"'),
    "halves of bytes": (lambda: stored([2**40], kind=TensorProto.INT4), 'tensor "w"'),
    "too many axes": (lambda: stored([1024, *[1] * 70]), 'tensor "w"'),
    "one name, two tensors": (twice_stored, "two initializers"),
    "one name, two nodes": (lambda: model([node("Relu", "x"), node("Sigmoid", "x")], X), "there already"),
    "a fill": (lambda: model([node("ConstantOfShape", "s", "w"), ADD], X, {"s": ints(2**33)}), "ConstantOfShape): 8"),
    "a range": (
        lambda: model(
            [node("Range", "a b c", "w"), ADD], X, {"a": np.array(0), "b": np.array(10**12), "c": ints(1)[0]}
        ),
        "Range): 9",
    ),
    "a loop": (endless, "no layer of Caffe says"),
    "functions that grow": (lambda: calling(10, *range(1, 13)), "more than 1000000 nodes"),
    "a function of itself": (lambda: calling(1, 0), "more than 100 deep"),
    "a wide pooling": (
        lambda: model([node("MaxPool", "x", kernel_shape=[2 * 10**8] * 2, pads=[10**8] * 4)], X),
        "would have to be made",
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_models(case: str, tmp_path: Path) -> None:
    made, words = MODELS[case]
    (tmp_path / "w.bin").write_bytes(bytes(4096))
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "net.onnx").write_bytes(made().SerializeToString())
    with pytest.raises(CaffeError) as error:
        load_onnx(tmp_path / "net.onnx")
    assert words in str(error.value)


def test_what_is_made_is_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "LARGEST", 1000)
    fills = [node("ConstantOfShape", "s", f"w{i}") for i in range(9)]
    made = model([*fills, node("Add", "x w0")], X, {"s": ints(1, 1, 20, 20)})
    with pytest.raises(UnsupportedError) as error:
        load_onnx(saved(made, tmp_path))
    assert str(error.value).count("(ConstantOfShape)") == 7  # two of nine had room


@pytest.mark.parametrize("taken", [True, False])
def test_a_branch_that_is_known_stands_in_its_place(taken: bool, tmp_path: Path) -> None:
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branches = {
        "then_branch": helper.make_graph([node("Relu", "x", "z")], "then", [], [out]),
        "else_branch": helper.make_graph([node("Sigmoid", "x", "z")], "else", [], [out]),
    }
    made = model([node("If", "c", "v", **branches), node("Tanh", "v")], {"x": (2, 3)}, {"c": np.array(taken)})
    graph, found = differences(saved(made, tmp_path))
    assert [n.type for n in graph.nodes] == ["Input", "ReLU" if taken else "Sigmoid", "TanH"]
    assert max(found.values()) <= 2e-6


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape: object, *offsets: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": offsets}


def checkpoint(*tensors: tuple[bytes, list[int], bytes]) -> bytes:
    return b"".join(
        encode_field(
            1,
            encode_field(1, tag)
            + encode_field(
                2, encode_packed(1, [d % 2**64 for d in dims]) + encode_field(2, b"Float32") + encode_field(3, data)
            ),
        )
        for tag, dims, data in tensors
    )


def torch_file(tensor: torch.Tensor, compressed: bool = False) -> bytes:
    torch.save({"a": tensor}, plain := io.BytesIO())
    if not compressed:
        return plain.getvalue()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return packed.getvalue()


def npz(array: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    with zipfile.ZipFile(made := io.BytesIO(), "w", method) as file:
        file.writestr("a.npy", array)
    return made.getvalue()


def npy(shape: tuple[int, ...]) -> bytes:
    np.lib.format.write_array_header_1_0(made := io.BytesIO(), {"descr": "<f4", "fortran_order": False, "shape": shape})
    return made.getvalue()


ONE = entry([1], 0, 4)
TENSORS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "sizes that wrap": ("safetensors", lambda: safetensors({"a": entry([2**32] * 2, 0, 0)}), "0 are there"),
    "no size of a machine": ("safetensors", lambda: safetensors({"a": entry([0, 2**70], 0, 0)}), "damaged"),
    "sizes below 0": ("safetensors", lambda: safetensors({"a": entry([-1, -1], 0, 4)}, bytes(4)), "4 are there"),
    "one over the other": ("safetensors", lambda: safetensors({"a": ONE, "b": ONE}, bytes(4)), "one behind the other"),
    "before the data": ("safetensors", lambda: safetensors({"a": entry([1], -4, 0)}, bytes(4)), "behind the other"),
    "bytes of nobody": ("safetensors", lambda: safetensors({"a": ONE}, bytes(8)), "one behind the other"),
    "a name twice": ("safetensors", lambda: safetensors(b'{"a": 1, "a": 2}'), "twice"),
    "deep": ("safetensors", lambda: safetensors(b'{"a":' + b"[" * 200000 + b"]" * 200000 + b"}"), "damaged"),
    "of a list": ("safetensors", lambda: safetensors([1]), "damaged"),
    "values of one": ("pth", lambda: torch_file(torch.zeros(1).bfloat16().expand(2**40)), "more values than"),
    "complex": ("pth", lambda: torch_file(torch.zeros(1, dtype=torch.complex64)), "complex"),
    "sparse": ("pth", lambda: torch_file(torch.eye(2).to_sparse()), 'tensor "a"'),
    "of eight bits": ("pth", lambda: torch_file(torch.zeros(2).to(torch.float8_e4m3fn)), 'tensor "a"'),
    "compressed": ("pt", lambda: torch_file(torch.zeros(1000), compressed=True), "compressed"),
    "a huge array": ("npz", lambda: npz(npy((2**40,))), "0 are there"),
    "in another way": ("npz", lambda: npz(npy((0,)), zipfile.ZIP_LZMA), "than numpy does"),
    "sizes that wrap, of MindSpore": ("ckpt", lambda: checkpoint((b"a", [2**33] * 2, b"")), "0 are there"),
    "sizes below 0, of MindSpore": ("ckpt", lambda: checkpoint((b"a", [-1, -1], bytes(4))), "4 are there"),
    "a name twice, of MindSpore": (
        "ckpt",
        lambda: checkpoint(*((t, [1], bytes(4)) for t in (b"a", b"b", b"a"))),
        "two",
    ),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors(case: str, tmp_path: Path) -> None:
    suffix, content, words = TENSORS[case]
    (tmp_path / f"net.{suffix}").write_bytes(content())
    with pytest.raises(CaffeError) as error:
        read_tensors(tmp_path / f"net.{suffix}")
    assert words in str(error.value)
