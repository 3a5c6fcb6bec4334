"""The command line: one group whose commands are imported when they are used, so that `--help` is quick."""

from __future__ import annotations

import importlib
from typing import Any

import click

from waypost import __version__

COMMANDS = {
    "serve": ("waypost.cli.serve", "Serve: the router, with practice providers until there are real ones."),
}
"""Command → module that holds a click command of the same name, and its line of help."""


class LazyGroup(click.Group):
    """Imports a command's module only when that command runs; the list of commands needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        command: Any = getattr(importlib.import_module(known[0]), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="waypost")
def main() -> None:
    """A self-hosted inference router that explains itself."""
