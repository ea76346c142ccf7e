"""ruff as a command."""

from __future__ import annotations

import subprocess
import sys


def ruff(*words: object) -> subprocess.CompletedProcess[str]:
    made = [sys.executable, "-m", "ruff", *map(str, words)]
    return subprocess.run(made, capture_output=True, text=True, check=False)
