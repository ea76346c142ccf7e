"""What commands share: the arguments that name a net, progress and notes on stderr, and JSON on stdout."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caffe2py.cli.files import Input
from caffe2py.errors import shown

if TYPE_CHECKING:
    from caffe2py.graph import Graph

FAILED = 3  # exit status: converted or ran, but verification failed
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class InputShape(click.ParamType):
    """`NAME=N,C,H,W` as (name, shape)."""

    name = "NAME=N,C,H,W"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        blob, equals, dims = str(value).rpartition("=")
        try:
            shape = tuple(int(d) for d in dims.replace("x", ",").split(","))
        except ValueError:
            shape = ()
        if not equals or not blob or not shape or min(shape) < 1:
            self.fail(f'"{value}" is no input shape; want NAME=N,C,H,W such as data=1,3,224,224', param, ctx)
        return blob, shape


class Variable(click.ParamType):
    """`NAME=VALUE` as (name, value)."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, given = str(value).partition("=")
        name = name.strip("$")
        if not equals or not name.isidentifier():
            self.fail(f'"{value}" sets no variable; want NAME=VALUE such as ADAPTED_WIDTH=1024', param, ctx)
        return name, given


@dataclass(frozen=True)
class NetFiles:
    """The files of a net and the choices that `caffe2py.load` takes."""

    prototxt: str
    caffemodel: str | None
    phase: str
    level: int
    stages: tuple[str, ...]
    inputs: dict[str, tuple[int, ...]]
    plugins: tuple[str, ...]
    fill: int | None
    dialect: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    ignore_unknown_fields: bool = False
    layout: str | None = None  # of weights of another maker, which stand in the prototxt's place

    @property
    def is_foreign(self) -> bool:
        """Is it a net of another maker, such as ONNX?"""
        from caffe2py.frontends.reading import is_foreign

        return is_foreign(self.prototxt, self.layout)

    def load(self, deploy: bool = False, **foreign: Any) -> Graph:
        """The graph; what the reader has to tell goes to stderr. `deploy`: without what only training needs.

        `foreign` are choices of `load_foreign`, for a net of another maker.
        """
        if self.is_foreign:
            from caffe2py.frontends.reading import load_foreign

            if self.caffemodel:
                raise click.UsageError(f"{self.prototxt} holds its own weights; want no other file of them")
            foreign |= {"inputs": self.inputs, "dialect": self.dialect, "layout": self.layout}
            if self.dialect:
                from caffe2py.backends.onnx.model import to_onnx

                foreign["write"] = to_onnx
            graph = load_foreign(self.prototxt, **foreign)
        else:
            graph = self._load(deploy)
        for line in graph.notes:
            note(line, always=line in graph.number_notes)
        return graph

    def _load(self, deploy: bool) -> Graph:
        from caffe2py.graph.load import load

        return load(
            self.prototxt,
            self.caffemodel,
            phase=self.phase,
            level=self.level,
            stages=self.stages,
            inputs=self.inputs,
            plugins=self.plugins,
            fill=self.fill,
            dialect=self.dialect,
            variables=self.variables,
            deploy=deploy,
            ignore_unknown_fields=self.ignore_unknown_fields,
        )


dialect_option = click.option(
    "--dialect", metavar="NAME", help="The fork that wrote a caffemodel, where the file alone does not tell."
)

set_option = click.option(
    "--set", "variables", multiple=True, type=Variable(), help="A variable of a template such as $ADAPTED_WIDTH$."
)

OPTIONS = (
    click.option(
        "--phase",
        type=click.Choice(["TEST", "TRAIN"], case_sensitive=False),
        default="TEST",
        show_default=True,
        help="The phase whose layers are kept.",
    ),
    click.option(
        "--level", type=int, default=0, help="The level, for rules with min_level or max_level; 0 if not given."
    ),
    click.option(
        "--stage", "stages", multiple=True, metavar="NAME", help="A stage, for rules with stage or not_stage."
    ),
    click.option(
        "--input", "inputs", multiple=True, type=InputShape(), help="An input's shape, instead of the file's."
    ),
    click.option(
        "--plugin",
        "plugins",
        type=Input(),
        multiple=True,
        metavar="FILE",
        help="A Python file of your layers; it is run.",
    ),
    dialect_option,
    set_option,
    click.option("--ignore-unknown-fields", is_flag=True, help="Compute without fields that nobody reads."),
)


def _arguments(weights: bool, optional: bool) -> Callable[[F], F]:
    """The two files, and the options above; those that may be repeated are lists."""
    fill = click.option("--fill", type=int, metavar="SEED", help="Weights that no file gives, as the fillers say.")

    def decorate(function: F) -> F:
        for option in reversed(OPTIONS if weights else (*OPTIONS, fill)):
            function = option(function)
        caffemodel = "NET.caffemodel" if weights and not optional else "[NET.caffemodel]"
        prototxt = "[NET.prototxt]" if optional else "NET.prototxt"
        function = click.argument("caffemodel", type=Input(), metavar=caffemodel, required=False)(function)
        return click.argument("prototxt", type=Input(), metavar=prototxt, required=not optional)(function)

    return decorate


def net_files(weights: bool = False, optional: bool = False) -> Callable[[F], F]:
    """Give a command the arguments NET.prototxt and NET.caffemodel, and the options that choose layers.

    The command gets them as one `NetFiles`, its first argument. `weights` says that the caffemodel must be there,
    but for a net of another maker, which holds its own; `optional`, that the command may do without a net (`prototxt`
    is "" then) or its weights, and asks for them itself.
    """

    def decorate(function: F) -> F:
        @_arguments(weights, optional)
        @wraps(function)
        def command(
            *args: Any,
            prototxt: str | None,
            caffemodel: str | None,
            phase: str,
            level: int,
            stages: tuple[str, ...],
            inputs: tuple[tuple[str, tuple[int, ...]], ...],
            plugins: tuple[str, ...],
            dialect: str | None,
            variables: tuple[tuple[str, str], ...],
            ignore_unknown_fields: bool,
            fill: int | None = None,
            **settings: Any,
        ) -> Any:
            choices = (phase.upper(), level, stages, dict(inputs), plugins, fill, dialect, dict(variables))
            files = NetFiles(prototxt or "", caffemodel, *choices, ignore_unknown_fields)
            if weights and not optional and caffemodel is None and not files.is_foreign:
                raise click.MissingParameter(param_hint="'NET.caffemodel'", param_type="argument")
            return function(files, *args, **settings)

        return command  # type: ignore[return-value]

    return decorate


device_option = click.option(
    "--device", default="cpu", show_default=True, metavar="NAME", help="Where it runs: cpu, cuda, cuda:1, mps."
)

wide_option = click.option("--wide", is_flag=True, help="All columns, no name cut, on a narrow terminal too.")

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def line_width(wide: bool = False) -> int | None:
    """How wide a line may be: as the terminal is, or as COLUMNS says; None, as wide as it wants, elsewhere."""
    if wide or not (sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()):
        return None
    return shutil.get_terminal_size().columns


def say(*lines: object, err: bool = False, **style: Any) -> None:
    """Print lines, each made fit for a terminal; all that a command prints goes through here."""
    click.secho("\n".join(shown(line, len(line)) for line in map(str, lines)), err=err, **style)


def lines_of(text: object) -> list[str]:
    """The lines of a text in which no name makes one: a table, an error."""
    return str(text).split("\n")


def print_json(value: Any) -> None:
    """One JSON value on stdout. What does not print stands in it as an escape of JSON's."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(re.sub(r"[^ -~\n]", lambda m: m[0] if m[0].isprintable() else json.dumps(m[0])[1:-1], text))


def note(text: str, *, always: bool = False) -> None:
    """A remark on stderr; silent when that is no terminal, unless it is told `always`."""
    if always or sys.stderr.isatty():
        say(f"note: {text}", err=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Tell on stderr that something long is under way; silent when that is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.text import Text

    with terminal().status(Text(shown(what))):
        yield


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items, with a bar on stderr (rate and time left); silent when that is no terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import track

    yield from track(items, description=what, total=total, console=terminal())


@cache
def terminal() -> Any:
    """The one console on stderr: what is told there at the same time stands line under line."""
    from rich.console import Console

    return Console(stderr=True)


def fail(status: int = FAILED) -> None:
    """End with this exit status; the command has said why."""
    raise click.exceptions.Exit(status)


def file_size(count: int) -> str:
    """A number of bytes as people read it: `440 MiB`."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
