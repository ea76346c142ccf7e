"""Shells complete commands, options and their values once they have read the README's line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.absent import absent

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"^\| (\w+) \| `(eval .*?)` \|", README, re.MULTILINE))
ASKED = "caffe2py con", "caffe2py convert --sty", "caffe2py convert --style re"
WANT = ["convert", "--style", "readable"]

# What completes a line, and prints what it may become.
ASK = {
    "bash": """ask() { COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_caffe2py_completion caffe2py; echo $COMPREPLY; }
""",
    "zsh": """compdef() { }; compadd() { print -l -- ${(P)@[-1]} }; _describe() { print -l -- ${${(P)3}%%:*} }
ask() { words=(${=1}); CURRENT=$#words; _caffe2py_completion }
""",
    "fish": """function ask; complete -C $argv[1] | string split -f 1 \\t; end
""",
}


def test_the_readme_has_a_line_for_each() -> None:
    assert LINES.keys() == ASK.keys()


@pytest.mark.parametrize("shell", ASK)
def test_a_shell_completes(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        absent(f"{shell}, which completes")
    program = tmp_path / "caffe2py"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m caffe2py "$@"\n')
    program.chmod(0o755)
    text = "\n".join([ASK[shell], LINES[shell], *(f'ask "{words}"' for words in ASKED)])
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    words = [shell, *(["-f"] if shell == "zsh" else []), "-c", text]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == WANT, done
