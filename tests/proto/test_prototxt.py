"""The prototxt reader and writer: what is accepted, what is refused and how, and that nothing is lost on the way."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe2py.errors import CaffeError, FileError, PrototxtError
from caffe2py.proto import format_message, format_net, message_class, parse_net, parse_text, read_net
from caffe2py.proto.net import unknown_notes
from caffe2py.proto.schema import LayerParameter, NetParameter
from caffe2py.proto.text.values import Word
from tests.helpers.recorded_nets import prototxts

EVERY = prototxts()


def layer(text: str | bytes) -> Any:
    return parse_text(text, "a.prototxt", "LayerParameter").message


# Accepted: the text, and the message it means, as protobuf's own constructor takes it.
ACCEPTED = {
    "colon before brace": ("power_param: { power: 2 }", {"power_param": {"power": 2}}),
    "no colon": ("power_param { power: 2 }", {"power_param": {"power": 2}}),
    "angle brackets": ("power_param < power: 2 >", {"power_param": {"power": 2}}),
    "semicolons and commas": ('name: "a"; type: "b", top: "c";', {"name": "a", "type": "b", "top": ["c"]}),
    "separators behind braces": ('power_param { power: 2 }; name: "a"', {"power_param": {"power": 2}, "name": "a"}),
    "list": ('top: ["a", "b"] bottom: []', {"top": ["a", "b"]}),
    "list of messages": ("param [{ lr_mult: 1 }, < lr_mult: 2 >]", {"param": [{"lr_mult": 1}, {"lr_mult": 2}]}),
    "list of messages with colon": ("param: [{ lr_mult: 1 }]", {"param": [{"lr_mult": 1}]}),
    "crlf and tabs": ('name:\t"a"\r\ntype:\r\n"b"\r\n', {"name": "a", "type": "b"}),
    "one line": ('name:"a"type:"b"power_param{power:2}', {"name": "a", "type": "b", "power_param": {"power": 2}}),
    "comments": ('# one { \nname # two\n : # "three\n "a" # four', {"name": "a"}),
    "single quotes": ("name: 'a\"b'", {"name": 'a"b'}),
    "adjacent strings": ("name: 'a' \"b\" # c\n 'd'", {"name": "abd"}),
    "hash in quotes": ("name: 'a#b' '#'", {"name": "a#b#"}),
    "escapes": (
        r'name: "\a\b\f\n\r\t\v\\\'\"\?\101\x41\x4a1\u00e9\U0001F600\303\251"',
        {"name": "\a\b\f\n\r\t\v\\'\"?AAJ1é😀é"},
    ),
    "byte order mark": (b"\xef\xbb\xbfname: 'a'", {"name": "a"}),
    "utf-8": ("name: 'größe'".encode(), {"name": "größe"}),
    "bytes in a comment": (b"# caf\xe9\nname: 'a'", {"name": "a"}),
    "bytes in a name": (b"name: 'caf\xe9'", {"name": "caf\\xe9"}),
    "empty block": ("power_param {}", {"power_param": {}}),
    "bool words": ("propagate_down: [true, false, True, False, t, f, 1, 0]", {"propagate_down": [True, False] * 4}),
    "enum by word": ("phase: TEST", {"phase": 1}),
    "enum by number": ("phase: 1", {"phase": 1}),
    "hexadecimal": ("convolution_param { pad: 0x1F }", {"convolution_param": {"pad": [31]}}),
    "octal": ("convolution_param { pad: 010 }", {"convolution_param": {"pad": [8]}}),
    "negative": ("concat_param { axis: -1 }", {"concat_param": {"axis": -1}}),
    "space behind minus": ("concat_param { axis: - 1 }", {"concat_param": {"axis": -1}}),
    "largest": ("convolution_param { pad: 4294967295 }", {"convolution_param": {"pad": [2**32 - 1]}}),
    "lowest": ("concat_param { axis: -2147483648 }", {"concat_param": {"axis": -(2**31)}}),
}


@pytest.mark.parametrize(("text", "fields"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(text: str | bytes, fields: dict[str, Any]) -> None:
    assert layer(text) == LayerParameter(**fields)


FLOATS = {
    "0.5": 0.5, ".5": 0.5, "1.": 1.0, "1.f": 1.0, "1f": 1.0, "2.5F": 2.5, "1e3": 1000.0, "1E+3": 1000.0, "25e-2": 0.25,
    "-3": -3.0, "-.5": -0.5, "- 2.5e1": -25.0, "-2.5e-1": -0.25, "0": 0.0, "-1.5e-1f": -0.15000000596046448,
    "0x10": 16.0, "inf": math.inf, "-inf": -math.inf, "Infinity": math.inf, "1e50": math.inf,
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), FLOATS.items(), ids=FLOATS)
def test_float(text: str, value: float) -> None:
    assert layer(f"power_param {{ power: {text} }}").power_param.power == value


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan"])
def test_nan(text: str) -> None:
    assert math.isnan(layer(f"power_param {{ power: {text} }}").power_param.power)


# Refused: the text, where the error stands, and words of the message.
REFUSED = {
    "unclosed block": ('name: "a"\npower_param {\n  power: 2\n', "2:13", ["power_param", "never closed", '"}"']),
    "brace too many": ('name: "a"\n}', "2:1", ['"}" closes nothing']),
    "wrong brace": ("power_param <\n power: 1 }", "2:11", ["power_param", "line 1", 'want ">"']),
    "unclosed quote": ('name: "a\ntype: "b"', "1:7", ["quotes", "closing"]),
    "unclosed list": ('top: ["a"\n', "1:6", ["never closed", '"]"']),
    "list without comma": ('top: ["a" "b" 3]', "1:15", ["in the list top", '"]"']),
    "comma at the end": ('top: ["a", ]', "1:12", ["a value of the list top"]),
    "no colon": ('name "a"', "1:6", ['no ":"', "name"]),
    "no colon before a list": ('top ["a"]', "1:5", ['no ":"', "top: ["]),
    "long text over lines": (f"power_param {{ power: 'a'\n'{'b' * 99}' }}", "1:22", ["number", "'a' 'bbb", "..."]),
    "no value": ("name: ", "1:7", ["ends here", "a value for name"]),
    "no value, then a block": ("name: }", "1:7", ['"}"', "a value for name"]),
    "number with letters": ("power_param { power: 12abc }", "1:22", ["12abc", "no number"]),
    "two dots": ("power_param { power: 1.2.3 }", "1:22", ["1.2.3", "no number"]),
    "value without name": (': "a"', "1:1", ["a field name"]),
    "no-break space": ("name:\u00a0'a'", "1:6", ["U+00A0"]),
    "word for text": ("name: conv1", "1:7", ["name", "text", 'want name: "conv1"']),
    "text for a number": ('power_param { power: "2" }', "1:22", ["power", "number", '"2"']),
    "text for a whole number": ('concat_param { axis: "2" }', "1:22", ["axis", "whole number"]),
    "fraction for a whole number": ("concat_param { axis: 2.0 }", "1:22", ["axis", "whole number", "2.0"]),
    "negative for unsigned": ("convolution_param { pad: -1 }", "1:26", ["pad", "-1", "want 0 to 4294967295"]),
    "too large": ("concat_param { axis: 2147483648 }", "1:22", ["axis", "out of range"]),
    "thousands of digits": (f"concat_param {{ axis: {'9' * 9000} }}", "1:22", ["no number"]),
    "octal with a 9": ("concat_param { axis: 09 }", "1:22", ["octal"]),
    "bool": ("dropout_param { } include { } propagate_down: yes", "1:47", ["propagate_down", "true or false"]),
    "bool in quotes": ('propagate_down: "true"', "1:17", ["true or false"]),
    "block for a value": ("name { }", "1:6", ["name", "text", "a block"]),
    "value for a block": ("power_param: 2", "1:14", ["power_param", "block", "power_param { ... }"]),
    "enum typo": ("pooling_param { pool: MAXX }", "1:23", ["pool", "MAXX", "did you mean MAX?"]),
    "enum in lower case": ("pooling_param { pool: ave }", "1:23", ["did you mean AVE?"]),
    "enum in quotes": ('pooling_param { pool: "AVE" }', "1:23", ["want AVE without quotes"]),
    "enum like nothing": ("pooling_param { pool: qqq }", "1:23", ["want one of MAX, AVE, STOCHASTIC"]),
    "enum of no number": ("pooling_param { pool: 9 }", "1:23", ["pool", "9"]),
    "given twice": ('name: "a"\nname: "b"', "2:1", ["name", "twice", "line 1"]),
    "block given twice": ("power_param { }\npower_param { }", "2:1", ["power_param", "twice", "line 1"]),
    "list for one value": ('name: ["a"]', "1:8", ["name", "single"]),
    "required": ("name: 'a'\nclip_param { min: 0 }", "2:1", ["ClipParameter", "max"]),
    "no such escape": (r'name: "C:\data"', "1:7", [r"\d"]),
    "half a code point": (r'name: "\ud800"', "1:7", [r"\ud800"]),
    "nested": ("power_param {" * 10_000, "1:845", ["nested more than 64 deep"]),
    "nested unknown": ("a {" * 10_000 + "}" * 10_000, "1:195", ["nested more than 64 deep"]),
    "nested in lists": ("a [{" * 10_000, "1:260", ["nested more than 64 deep"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "at", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, at: str, words: list[str]) -> None:
    with pytest.raises(PrototxtError) as caught:
        layer(text)
    message = str(caught.value)
    assert message.startswith(f"a.prototxt:{at}: ")
    for word in words:
        assert word in message
    assert "\n" not in message and len(message) < 300


def test_too_large() -> None:
    with pytest.raises(PrototxtError, match=r"a\.prototxt: 9 MB of text; want at most 8 MB"):
        layer(" " * (9 << 20))


def test_unknown_fields_are_kept() -> None:
    text = """name: "a"
      my_param { alpha: 2 beta: -0.5 mode: FAST text: "x" flag: true step: [1, 2] box { } box { w: 3 } }
      convolution_param { num_output: 3 deform: 1 weight_filler { gain: 2 } }
      param { } param { frozen: true }"""
    bound = parse_text(text, "a.prototxt", "LayerParameter")
    assert [(u.path, u.value, str(u.place)) for u in bound.unknown] == [
        ("convolution_param.weight_filler.gain", 2, "a.prototxt:3:67"),
        ("convolution_param.deform", 1, "a.prototxt:3:41"),
        ("param[1].frozen", True, "a.prototxt:4:25"),
        ("my_param.alpha", 2, "a.prototxt:2:18"),
        ("my_param.beta", -0.5, "a.prototxt:2:27"),
        ("my_param.mode", "FAST", "a.prototxt:2:38"),
        ("my_param.text", "x", "a.prototxt:2:49"),
        ("my_param.flag", True, "a.prototxt:2:59"),
        ("my_param.step", 1, "a.prototxt:2:70"),
        ("my_param.step", 2, "a.prototxt:2:70"),
        ("my_param.box", None, "a.prototxt:2:83"),
        ("my_param.box[1].w", 3, "a.prototxt:2:97"),
    ]
    assert [type(u.value) for u in bound.unknown[5:7]] == [Word, str]
    assert [type(u.value) for u in bound.unknown[:3]] == [int, int, bool]
    again = parse_text(format_message(bound.message, bound.unknown), "b", "LayerParameter")
    assert again.message == bound.message
    assert {(u.path, u.value, type(u.value)) for u in again.unknown} == {
        (u.path, u.value, type(u.value)) for u in bound.unknown
    }


def test_places() -> None:
    places = parse_text('name: "a"\npower_param {\n  power: 2\n}\ntop: "x"\n  top: "y"', "f", "LayerParameter").places
    assert {path: str(place) for path, place in places.items()} == {
        "name": "f:1:1", "power_param": "f:2:1", "power_param.power": "f:3:3", "top": "f:5:1", "top[1]": "f:6:3",
    }  # fmt: skip
    with pytest.raises(KeyError):
        places["type"]


def test_names_of_other_bytes_stay_apart_and_survive() -> None:
    text = b"layer { name: 'caf\xe9' } layer { name: 'caf\xe8' } layer { name: 'caf\xc3\xa9' }"
    net = parse_net(text)
    names = [one.message.name for one in net.layers]
    assert names == [r"caf\xe9", r"caf\xe8", "café"]
    assert [one.message.name for one in parse_net(format_net(net)).layers] == names
    assert [one.message.name for one in parse_net(net.text).layers] == names


NETS = {
    "typo in layer": ('layr { name: "a" }', "1:1", ["layr", "did you mean layer?"]),
    "layer without block": ("layer: 3", "1:8", ["layer { ... }"]),
    "both formats": ("layers { }\nlayer { }", "2:1", ["layers", "layer", "one of them"]),
    "quoted type in 2014's format": ('layers { type: "Convolution" }', "1:16", ["CONVOLUTION", "`layer`"]),
    "typo in a type of 2014": ("layers { type: CONVOLUTON }", "1:16", ["did you mean CONVOLUTION?"]),
    "input of another size": ('input: "data" input_dim: 3 layer { type: "ReLU" }', "1:1", ["1 input, 1 input_dim"]),
    "solver": ('net: "train.prototxt" base_lr: 0.1', "", ["solver", '"train.prototxt"']),
    "no layer": ('name: "n"', "", ["no layer"]),
    "json": ('{"name": 3}', "1:1", ["a field name"]),
}


@pytest.mark.parametrize(("text", "at", "words"), NETS.values(), ids=NETS)
def test_no_net(text: str, at: str, words: list[str]) -> None:
    with pytest.raises(CaffeError) as caught:
        parse_net(text, "a.prototxt")
    assert str(caught.value).startswith(f"a.prototxt:{at}: " if at else "a.prototxt: ")
    for word in words:
        assert word in str(caught.value)


SAVED = NetParameter(name="n", layer=[LayerParameter(name="a", type="ReLU")]).SerializeToString()
FILES = {
    "caffemodel": (
        NetParameter(name="n", layer=[LayerParameter(name="a", type="ReLU")]).SerializeToString(),
        "caffemodel",
    ),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    "empty": (b"", "empty"),
    "blank": (b"\xef\xbb\xbf \r\n", "empty"),
    "utf-16": ("name: 'a'".encode("utf-16"), "UTF-16"),
    "zip": (b"PK\x03\x04" + bytes(64), "zip"),
    "html": (b"<!DOCTYPE html><html>", "web page"),
    "a byte that is no text": (b'name: "n"\nlayer { name: "a\0b" }', "a text with the byte 0x00 on line 2"),
}


@pytest.mark.parametrize(("data", "words"), FILES.values(), ids=FILES)
def test_no_prototxt(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(data)
    with pytest.raises(FileError, match=words) as caught:
        read_net(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_net(tmp_path / "none.prototxt")
    with pytest.raises(FileError, match="is a directory"):
        read_net(tmp_path)


def test_unknown_fields_are_noted_once() -> None:
    text = "".join(f'layer {{ name: "{i}" type: "X" x_param {{ a: 1 b: 2 }} }}\n' for i in range(3))
    net = parse_net(text + 'layer { type: "Convolution" convolution_param { kernal_size: 3 } } made_by: "me"', "f")
    assert net.notes == ("f:4:68: Caffe's schema has no made_by; nothing in caffe2py reads it",)
    assert unknown_notes(net.layers, "kept") == (
        "f:1:39: Caffe's schema has no x_param (3 layers have it); kept",
        "f:4:49: Caffe's schema has no convolution_param.kernal_size; did you mean kernel_size?; kept",
    )


# Round trips


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        assert field.message_type is not None
        return messages(field.message_type, depth - 1)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        assert field.enum_type is not None
        return st.sampled_from(sorted(field.enum_type.values_by_number))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=5)
    return {
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False),
        FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        FieldDescriptor.CPPTYPE_STRING: st.text(st.characters(exclude_categories=("Cs",)), max_size=6),
    }[kind]


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 3) -> dict[str, Any]:
    """The fields of a message, as its constructor takes them."""
    allowed = [f for f in descriptor.fields if depth or f.message_type is None]
    needed = [f for f in allowed if f.is_required]
    chosen = (
        needed + draw(st.lists(st.sampled_from(allowed), max_size=4, unique_by=lambda f: f.name)) if allowed else []
    )
    return {
        f.name: draw(st.lists(values(f, depth), min_size=1, max_size=3)) if f.is_repeated else draw(values(f, depth))
        for f in chosen
    }


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["NetParameter", "SolverParameter", "LayerParameter", "Datum", "BlobProto"]), st.data())
def test_round_trip(name: str, data: st.DataObject) -> None:
    kind: Any = message_class(name)
    message = kind(**data.draw(messages(kind.DESCRIPTOR)))
    text = format_message(message)
    assert parse_text(text, "f", name).message == message
    assert text_format.Parse(text, kind()) == message


SMALL = """name: "n"  # a net
layer { name: 'data' type: "Input" top: "data" input_param: { shape: { dim: 1 dim: 3 dim: 0x8 dim: 8 } } }
layers < name: "old" type: RELU blobs_lr: [1, .5] my_param { alpha: -1e-3f, b: "\\303\\251" 'x' } >
"""


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 2), st.integers(0, 255)), max_size=6))
def test_any_bytes_are_read_or_refused(changes: list[tuple[int, int, int]]) -> None:
    data = bytearray(SMALL.encode())
    for at, what, byte in changes:
        data[at : at + (what != 0)] = [byte] if what != 2 else []
    for read in (parse_net, lambda data: parse_text(data, "f")):
        try:
            read(bytes(data))
        except CaffeError as error:
            assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize("path", EVERY.values(), ids=EVERY)
def test_nets_read_as_protobuf_reads_them(path: Path) -> None:
    data = path.read_bytes()
    theirs = text_format.Parse(data, NetParameter(), allow_unknown_field=True)
    assert parse_text(data, str(path)).message == theirs
    net = read_net(path)
    again = parse_net(format_net(net))
    assert [one.message for one in again.layers] == [one.message for one in net.layers]
    unknown, written = ([[u.value for u in one.unknown] for one in n.layers] for n in (net, again))
    assert written == unknown
