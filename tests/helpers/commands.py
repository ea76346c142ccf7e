"""Every command of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import click

from caffe2py.cli.group import cli


def _commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))
    else:
        yield " ".join(path), group


COMMANDS = dict(_commands(cli))  # by name, as it is typed: "archive create"
