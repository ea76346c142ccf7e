"""The schema: equal field for field to Caffe's, and the compiled file equal to its source."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from caffe2py.proto import schema
from tests.helpers.absent import needs_module
from tests.helpers.reference import reference

ROOT = Path(__file__).resolve().parents[2]


def descriptors(name: str) -> descriptor_pb2.FileDescriptorSet:
    data = (ROOT / "caffe2py" / "proto" / f"{name}.desc").read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(data)


def file_descriptor() -> descriptor_pb2.FileDescriptorProto:
    return descriptors("caffe").file[0]


def enum_rows(enum: descriptor_pb2.EnumDescriptorProto, name: str) -> list[tuple[str, ...]]:
    return [(name, v.name, str(v.number), "enum value", "", "", "") for v in enum.value]


def schema_rows() -> list[tuple[str, ...]]:
    """The compiled schema in the columns of bvlc.csv: message, field, number, label, type, default, packed."""
    file = file_descriptor()
    rows = [row for enum in file.enum_type for row in enum_rows(enum, enum.name)]
    for message in file.message_type:
        assert not message.extension_range
        assert not message.reserved_range
        for field in message.field:
            label = descriptor_pb2.FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
            word = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
            kind = field.type_name.removeprefix(".caffe.") or word
            packed = "packed" if field.options.packed else ""
            rows.append((message.name, field.name, str(field.number), label, kind, field.default_value, packed))
        for enum in message.enum_type:
            rows += enum_rows(enum, f"{message.name}.{enum.name}")
    return rows


def caffe_rows() -> list[tuple[str, ...]]:
    """Read off BVLC Caffe's own descriptor (commit 9b89154)."""
    with open(reference("schema/bvlc.csv"), newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def test_every_field_is_caffes() -> None:
    ours, theirs = schema_rows(), caffe_rows()
    assert set(ours) == set(theirs)
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("name", ["caffe", "forks"])
def test_compiled_descriptor_is_current(name: str) -> None:
    needs_module("grpc_tools", "the protobuf compiler (grpcio-tools)")
    program = (
        "import sys; sys.path.insert(0, 'tools'); import compile_protos as c;"
        f"sys.stdout.buffer.write(c.compile_protos(c.SOURCES['{name}']))"
    )
    # In a process of its own: the compiler warns on import with some protobuf releases.
    compiled = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True).stdout
    assert descriptor_pb2.FileDescriptorSet.FromString(compiled) == descriptors(name)


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("relu_param.negative_slope", 0.0),
        ("convolution_param.bias_term", True),
        ("convolution_param.weight_filler.type", "constant"),
        ("pooling_param.pool", "MAX"),
        ("reduction_param.operation", "SUM"),  # number 1
        ("convolution_param.pad", ()),
        ("batch_norm_param.eps", 9.999999747378752e-06),  # 1e-5 as float32
        ("pooling_param.stride_h", None),
        ("batch_norm_param.use_global_stats", None),
        ("relu_param", None),
    ],
)
def test_field_default(path: str, default: object) -> None:
    value = schema.field_default(path)
    assert value == default
    assert type(value) is type(default)


def test_field_default_of_no_field() -> None:
    with pytest.raises(KeyError):
        schema.field_default("relu_param.slope")


def test_every_message_has_a_class() -> None:
    for message in file_descriptor().message_type:
        assert schema.message_class(message.name).DESCRIPTOR.full_name == f"caffe.{message.name}"


def test_import_loads_no_heavy_library() -> None:
    program = (
        "import sys, caffe2py.proto.schema; print([m for m in ('torch', 'onnx', 'numpy', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
