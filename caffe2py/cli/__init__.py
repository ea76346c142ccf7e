"""The command line. What it needs is loaded inside, so that `caffe2py --help` answers at once, and Ctrl-C always."""

from __future__ import annotations

import sys

STOPPED = 130


def main() -> None:
    """Run the command line, and end the process."""
    try:
        from caffe2py.cli.group import run

        status = run()
    except KeyboardInterrupt:
        print("caffe2py: stopped", file=sys.stderr)
        status = STOPPED
    sys.exit(status)
