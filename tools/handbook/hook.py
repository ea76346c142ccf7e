"""The hook of mkdocs (mkdocs.yml): pictures are drawn, and pages filled in, when the handbook is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.handbook import messages, pictures

NAMES = "<!-- public names -->"
ROOMS = {"graph": "Read", "proto": "Renew", "backends": "Translate and run", "proof": "Prove", "errors": "Errors"}


def on_pre_build(config: Any) -> None:
    """Make the pictures that the pages show."""
    pictures.make(Path(config["docs_dir"]) / "pictures")


def on_page_markdown(markdown: str, **others: Any) -> str:
    """Put the messages of a family where its mark stands, and all public names where theirs stands."""
    if NAMES in markdown:
        return markdown.replace(NAMES, public_names())
    return messages.filled(markdown)


def public_names() -> str:
    """What `caffe2py` offers, by the rooms that it comes from, each described by its docstring."""
    import caffe2py

    rooms: dict[str, list[str]] = {}
    for name, home in sorted(caffe2py._HOMES.items()):
        room = home.partition(".")[0]
        rooms.setdefault(ROOMS.get(room, room.capitalize()), []).append(f"::: caffe2py.{home}.{name}")
    titles = sorted(rooms, key=lambda title: [*ROOMS.values(), title].index(title))
    return "\n\n".join("\n\n".join([f"## {title}", *rooms[title]]) for title in titles)
