"""Files as arguments of commands, and the one rule about them: what a command writes is nothing that it reads.

Every argument and option that names a file is an `Input` or an `Output`, and every command a `Command`, which looks
before any work whether an output is an input: the file itself counts, through whatever link it is named. The same goes
for the files that are written and read beside those that are named, such as `net.pth` beside `net.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from caffe2py.errors import FileError
from caffe2py.proto.disk.files import says
from caffe2py.proto.disk.pipes import settled
from caffe2py.proto.disk.staging import check_parent
from caffe2py.proto.hdf5 import trial

Beside = Callable[[Path], Iterable[Path]]
OURS = b"caffe2py"
WISH = "want another name, or --overwrite"
OVERWRITE = click.Option(["--overwrite"], is_flag=True, help="Write over files that are read, or that others made.")

SHARED = (  # options that many commands have, in their order: they stand behind a command's own
    *("phase", "level", "stages", "inputs", "plugins", "dialect", "variables", "ignore_unknown_fields", "fill"),
    *("wide", "overwrite", "as_json"),
)


def nothing(path: Path) -> Iterable[Path]:
    """No file beside this one."""
    return ()


def _rank(param: click.Parameter) -> int:
    """Where a parameter stands in a command's help: what is written, what the command alone has, what many have."""
    if isinstance(param, click.Argument):
        return 0
    name = param.name or ""
    return 1 if name == "out" else 3 + SHARED.index(name) if name in SHARED else 2


class Named(click.ParamType):
    """A file that is named on the command line, and the files that go with it."""

    name = "file"

    def __init__(self, beside: Beside = nothing) -> None:
        self.beside = beside

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The shell's own completion of file names."""
        return [CompletionItem(incomplete, type="file")]


class Input(Named):
    """A file or folder that a command reads; what comes through a pipe, or as "-" from stdin, is read once, here."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return settled("/dev/stdin" if value == "-" else value)


class Output(Named):
    """A file or folder that a command writes. Raises a usage error for what is no place for a file.

    The folder that it lies in is there, unless the command makes that too (`parents`).
    """

    def __init__(self, beside: Beside = nothing, *, parents: bool = False) -> None:
        super().__init__(beside)
        self.parents = parents

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in ("-", "/dev/stdout", "/dev/stderr") or str(value).startswith("/dev/fd/"):
            self.fail("files are not written to standard output; want a name (./- is a file called -)", param, ctx)
        if not value:
            self.fail("an empty name; want the name of a file", param, ctx)
        return str(value)


@dataclass(frozen=True)
class Use:
    """A file that a command reads or writes: its name, the option or argument that says so, and what it goes with."""

    path: Path
    option: str
    main: Path | None = None  # the file that was named, where this one goes with it
    parents: bool = False  # the command makes the folders that it is in

    def __str__(self) -> str:
        return f"{self.option} {self.main}, with {self.path}" if self.main else f"{self.option} {self.path}".strip()


class Command(click.Command):
    """A command that writes over nothing that it reads, unless it is told to with `--overwrite`."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if any(isinstance(each.type, Output) for each in self.params):
            self.params.append(OVERWRITE)
        self.params.sort(key=_rank)

    def invoke(self, ctx: click.Context) -> Any:
        if not ctx.params.pop("overwrite", False):
            keep_apart(list(_uses(ctx, Output)), list(_uses(ctx, Input)))
        for use in _uses(ctx, Output):
            if use.main is None and not use.parents:  # what goes with a file lies beside it, or in it
                check_parent(use.path)
        for use in _uses(ctx, Input):
            trial.begin(use.path)  # an HDF5 file, while what the command needs is loaded
        return super().invoke(ctx)


def keep_apart(outputs: list[Use], inputs: list[Use]) -> None:
    """Raise `FileError` where an output is an input or another output, or takes the place of a file of others."""
    for i, out in enumerate(outputs):
        for other in inputs:
            if _same(out.path, other.path) or (_inside(out.path, other.path) and not says(out.path, OURS)):
                raise FileError(f"is read too ({other}); {WISH}", str(out))
        for other in outputs[:i]:
            if os.path.realpath(out.path) == os.path.realpath(other.path):
                raise FileError(f"is written twice ({other}); want two names", str(out))
        if out.main is not None and out.path.exists() and not says(out.main, OURS):
            raise FileError(f"would be written beside {out.main}, and is there already; {WISH}", str(out.path))


def _uses(ctx: click.Context, kind: type[Named]) -> Iterator[Use]:
    """The files that a command's line names as inputs, or as outputs, and those that go with them."""
    for param in ctx.command.params:
        if not isinstance(param.type, kind):
            continue
        value = ctx.params.get(param.name or "")
        option = max(param.opts, key=len) if isinstance(param, click.Option) else ""
        for each in value if isinstance(value, tuple) else [value] if value else []:
            path = Path(each)
            yield Use(path, option, parents=isinstance(param.type, Output) and param.type.parents)
            for other in param.type.beside(path):
                yield Use(other, option, main=path)


def _same(out: Path, other: Path) -> bool:
    try:
        return os.path.samefile(out, other)
    except (OSError, ValueError):  # one of them is not there
        return False


def _inside(out: Path, folder: Path) -> bool:
    """Is this an existing file of a folder?"""
    return folder.is_dir() and out.is_file() and folder.resolve() in out.resolve().parents
