"""`docs/reference/command-line.md`, made from the commands as they are declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from waypost.cli.exits import MEANINGS
from waypost.cli.main import COMMANDS, waypost

WIDTH: Final = 100
"""Columns; click would ask the terminal."""
INTRODUCTION: Final = """# Command line

*Made by `./dev docs` from the code; do not edit.*

Data goes to stdout; hints, progress and errors go to stderr. `--format` is `human` on a terminal and `tsv` in a pipe:
`tsv` has a heading and a line for each thing (a single thing has a line for each field), `json` is
`{"schema": 1, "data": …}`, `quiet` is the one word that a script wants. `NO_COLOR` is kept. What a model, a provider or
another user wrote is printed without anything that a terminal would obey.

Commands that talk to a server take `--url` (or `WAYPOST_URL`) and `--token` (or `WAYPOST_TOKEN`). Without them they
talk to the server that runs on the data folder (`--data`, `WAYPOST_DATA` or the settings), with a token of their own
that lasts a day. Only that server is ever shown that token.
"""


def command_line_reference() -> str:
    """The reference page, Markdown."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    exits = f"## Exit codes\n\n| code | means |\n| --- | --- |\n{codes}"
    contents = "".join(f"- [`waypost {name}`](#waypost-{name}): {text}\n" for name, (_, text) in COMMANDS.items())
    pages = [f"## `{path}`\n\n```text\n{text}\n```\n" for path, text in helps()]
    return "\n".join([INTRODUCTION, contents, exits, *pages])


def helps() -> Iterator[tuple[str, str]]:
    """Every command's path and help, parents first."""
    yield from _helps(waypost, "waypost", None)


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, parent, name, terminal_width=WIDTH, **command.context_settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            if found is not None:
                yield from _helps(found, each, context)
