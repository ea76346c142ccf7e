"""The report of a comparison: what was found, and that as JSON, HTML and Markdown."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from caffe2py.errors import FileError
from caffe2py.proof.reports.findings import Findings
from caffe2py.proof.reports.html_report import html_report
from caffe2py.proof.reports.markdown import markdown
from caffe2py.proto.disk.digests import digest
from caffe2py.proto.disk.files import written_whole


@dataclass(frozen=True, repr=False)
class Report(Findings):
    """The outcome of `caffe2py.verify`. Prints as a short verdict."""

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as JSON text; written to `path` too where one is given."""
        made = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        if path is not None:
            with written_whole(path) as temporary:
                Path(temporary).write_text(made + "\n", encoding="utf-8")
        return made

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as one HTML page that asks for nothing from outside; written to `path` too where one is given.

        Raises `CaffeError` where pygraphviz or jinja2 (extra `report`) is not installed.
        """
        return html_report(self, path)

    def to_markdown(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as Markdown; written to `path` too where one is given."""
        made = markdown(self)
        if path is not None:
            with written_whole(path) as temporary:
                Path(temporary).write_text(made, encoding="utf-8")
        return made


def file_hashes(paths: Sequence[str | os.PathLike[str]]) -> dict[str, str]:
    """The sha256 of each file by its name, without its folder; folders, and what cannot be read, are left out."""
    found = {}
    for path in paths:
        with suppress(FileError):
            found[os.path.basename(path)] = digest(path)
    return found
