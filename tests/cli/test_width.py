"""Tables fit the terminal: numbers whole, names cut in the middle, everything with --wide and where no terminal is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import numpy as np
import pytest

from caffe2py.cli.files import SHARED, Command
from caffe2py.graph.columns import aligned, cells, middle_cut
from tests.helpers.commands import COMMANDS
from tests.helpers.nets import command, write_net

ROOT = Path(__file__).resolve().parents[2]
CUTS = [
    ("conv1", 5, "conv1"),
    ("conv1/7x7_s2", 12, "conv1/7x7_s2"),
    ("conv1/7x7_s2", 11, "conv1\u2026x7_s2"),
    ("conv1/7x7_s2", 7, "con\u2026_s2"),
    ("conv1/7x7_s2", 1, "\u2026"),
    ("\u5377\u79ef\u5c42\u4e00\u4e8c", 10, "\u5377\u79ef\u5c42\u4e00\u4e8c"),
    ("\u5377\u79ef\u5c42\u4e00\u4e8c", 9, "\u5377\u79ef\u2026\u4e00\u4e8c"),
    ("\u5377\u79ef\u5c42\u4e00\u4e8c", 6, "\u5377\u2026\u4e8c"),
]


@pytest.mark.parametrize(("text", "width", "want"), CUTS)
def test_a_cut_is_in_the_middle(text: str, width: int, want: str) -> None:
    assert middle_cut(text, width) == want and cells(want) <= width


ROWS = [("layer", "type", "count"), ("a" * 30, "Convolution", "1,234,567"), ("b", "c" * 20, "8")]


def test_numbers_are_never_cut() -> None:
    assert aligned(ROWS, right=[2])[2] == "b" + " " * 31 + "c" * 20 + " " * 10 + "8"
    for width in (120, 60, 40, 30):
        lines = aligned(ROWS, right=[2], width=width)
        assert max(map(cells, lines)) <= width and lines[1].endswith("  1,234,567"), lines


def test_spare_columns_go_before_others_get_very_narrow() -> None:
    assert "Convolution" in aligned(ROWS, right=[2], width=40, spare=[1])[1]
    assert aligned(ROWS, right=[2], width=34, spare=[1]) == [
        "layer" + " " * 24 + "count",
        "a" * 11 + "\u2026" + "a" * 11 + "  1,234,567",
        "b" + " " * 32 + "8",
    ]


def test_whole_columns_are_never_cut() -> None:
    for width in (60, 40, 30):
        lines = aligned(ROWS, right=[2], width=width, spare=[0], whole=[1])
        assert "c" * 20 in lines[2] and lines[1].endswith("  1,234,567"), lines


LONG = "a_layer_whose_name_is_as_long_as_those_of_inception_nets"
NET = f"""name: "net of long names"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: 9 dim: 7 }} }} }}
layer {{ name: "{LONG}/1" type: "Convolution" bottom: "data" top: "{LONG}/1"
        convolution_param {{ num_output: 5 kernel_size: 3 }} }}
layer {{ name: "{LONG}/2" type: "ReLU" bottom: "{LONG}/1" top: "{LONG}/2" }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("width")
    write_net(folder, NET)
    files = [folder / "net.prototxt", folder / "net.caffemodel"]
    assert command("record", *files, "-o", folder / "ours.npz").status == 0
    np.savez(folder / "other.npz", **{LONG + "/1": np.zeros((1, 5, 7, 5)), LONG + "/2": np.ones(3)})
    assert command("archive", "create", *files, "-o", folder / "net.tar").status == 0
    return folder


LINES = [
    "show net.prototxt",
    "verify net.prototxt net.caffemodel --against ours.npz --all",
    "compare ours.npz ours.npz --all",
    "compare ours.npz other.npz --all",
    "table --weights . --images . --labels none",
    "archive show net.tar",
    "archive check net.tar --files-only",
]


@pytest.mark.parametrize("words", LINES)
def test_a_table_is_as_wide_as_the_terminal(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    whole = command(*words.split()).out
    for columns in (80, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        said = command(*words.split()).out
        table = [line for line in said.splitlines() if "  " in line]
        assert table and max(map(cells, table)) <= columns, words
        assert command(*words.split(), "--wide").out == whole


def on_a_terminal(words: str, folder: Path, errors: bool = False, **environment: str) -> str:
    """What a command prints on a terminal of 80 columns, alone or with what it tells on stderr."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    done = subprocess.Popen(
        [sys.executable, "-m", "caffe2py", *words.split()],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
        stdout=side,
        stderr=side if errors else subprocess.DEVNULL,
    )
    os.close(side)
    said = b""
    with contextlib.suppress(OSError):  # so a terminal ends
        while piece := os.read(main, 4096):
            said += piece
    done.wait()
    os.close(main)
    return said.decode()


def test_colours_are_for_terminals_and_say_nothing_alone(folder: Path) -> None:
    words = "compare ours.npz other.npz --all"
    coloured, plain = on_a_terminal(words, folder), on_a_terminal(words, folder, NO_COLOR="1")
    assert "\x1b[31m" in coloured and "\x1b" not in plain
    assert re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", coloured) == plain
    assert max(cells(line) for line in plain.splitlines() if "  " in line) <= 80


def test_what_takes_long_is_told_on_a_terminal(folder: Path) -> None:
    said = on_a_terminal("verify net.prototxt net.caffemodel --against ours.npz", folder, errors=True)
    assert said.index("verifying net.prototxt") < said.index("100%") < said.index("verified: ")


LOGS = {"test", "time"}  # what they do is their output, line by line


def test_every_command_tells_what_is_under_way() -> None:
    for file in (ROOT / "caffe2py" / "cli" / "commands").glob("[a-z]*.py"):
        told = re.search(r"(working|counting|progress)\(", file.read_text())
        assert told or file.stem in LOGS, file.name


VERBS = (
    "Check Compare Compute Find Look Make Measure Name Print Prove Put Record Rewrite Run Say Score Take Tell "
    "Time Train Translate Write"
).split()


@pytest.mark.parametrize(("name", "found"), COMMANDS.items(), ids=COMMANDS)
def test_help_texts_have_one_voice_and_options_one_order(name: str, found: click.Command) -> None:
    """A sentence of what the command does; of each option what it is, as a sentence too. Shared ones stand last."""
    assert isinstance(found, Command)
    short, options = found.short_help or "", [p for p in found.params if isinstance(p, click.Option)]
    assert short.split()[0] in VERBS and (found.help or "").split()[0] in VERBS and not short.endswith(".")
    assert re.match(r"[A-Z].*?[.:]", " ".join((found.help or "").split())), found.help
    for option in options:
        said = option.help or ""
        assert (said[:1].isupper() or said[:1].isdigit()) and said.endswith("."), f"{option.opts[0]}: {said}"
        assert "  " not in said and len(said) <= 200, f"{option.opts[0]}: {said}"
    places = [SHARED.index(option.name) for option in options if option.name in SHARED]
    assert places == sorted(places)
    assert [option.name in SHARED for option in options] == sorted(option.name in SHARED for option in options)
    assert "out" not in [option.name for option in options[1:]], "what is written stands first"
    assert name == "train" or options[-1].opts == ["--json"]
