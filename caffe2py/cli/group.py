"""The commands as one: each is a file of `commands/` with a click command named `command`, loaded when it is called."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys
from typing import Any

import click

from caffe2py.cli import commands
from caffe2py.cli.common import lines_of, say
from caffe2py.errors import CaffeError
from caffe2py.proto.disk.damage import reason
from caffe2py.version import __version__


class Commands(click.Group):
    """The files of `commands/`, as commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(m.name for m in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        found: click.Command = importlib.import_module(f"caffe2py.cli.commands.{name}").command
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            ctx.fail(f'no command "{args[0]}"; the commands are {", ".join(self.list_commands(ctx))}')
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="caffe2py")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Caffe models without Caffe: read them, translate them, prove the translation, run them, keep them.

    \b
    The first thing to type:
      caffe2py convert senet154.prototxt senet154.caffemodel -o senet154.pt

    Exit status: 0 done; 1 an error, told in one message; 2 wrong usage; 3 done, but verification failed.
    """


def run() -> int:
    """Run the command line; every error of ours is one message on stderr and exit status 1."""
    gc.set_threshold(100_000)  # importing torch makes a million objects, which need not be looked through each time
    debug = "--debug" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        plain = bool(os.environ.get("NO_COLOR"))  # no-color.org; else colours where stdout is a terminal
        color = False if plain else None
        status = cli.main(args=arguments, prog_name="caffe2py", standalone_mode=False, color=color)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        status = done.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except CaffeError as error:
        if debug:
            raise
        status = _say(str(error), 1)
    except MemoryError:
        if debug:
            raise
        status = _say("not enough memory for this net", 1)
    except BrokenPipeError:  # the reader of our output went away: `caffe2py show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.filename is None:  # files are written by who tells their names
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left for it goes nowhere
            status = _say(f"standard output: cannot write: {reason(error)}", 1)
        else:  # a fault of ours: still one message
            status = _say(f"internal error ({type(error).__name__}: {error}); --debug shows where", 1)
    return status if isinstance(status, int) else 0


def _say(message: str, status: int) -> int:
    say(*lines_of(f"caffe2py: {message}"), err=True)
    return status
