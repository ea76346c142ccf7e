"""A path that is told by another name than the one it opens by."""

from __future__ import annotations

import os
from typing import Self


class Alias(str):
    """A file's path; in messages, which are formatted, it is `name`."""

    name: str

    def __new__(cls, path: str | os.PathLike[str], name: str) -> Self:
        made = super().__new__(cls, os.fspath(path))
        made.name = name
        return made

    def __format__(self, spec: str) -> str:
        return format(self.name, spec)
