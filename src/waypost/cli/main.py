"""The command line: one group whose commands are imported when they are used, so that `--help` is quick."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from waypost import __version__
from waypost.cli.exits import Exit, Stop
from waypost.cli.options import Context, forget_stdout
from waypost.cli.screen import Screen, as_called, plain, plain_lines

COMMANDS: Final = {
    "serve": ("grammar_house", "Serve: the router, with practice providers until there are real ones."),
    "init": ("grammar_house", "Write a commented waypost.toml to start from."),
    "chat": ("grammar_calls", "Talk to a model, in one answer or a conversation."),
    "explain": ("grammar_calls", "Say what a call would do, or what a past one did, and why."),
    "models": ("grammar_calls", "List models and who runs them; sync the catalogue."),
    "requests": ("grammar_calls", "List, show and follow past requests."),
    "providers": ("grammar_house", "List and test providers; find local ones."),
    "tokens": ("grammar_people", "Make, list and revoke tokens."),
    "users": ("grammar_people", "Make, list and change users."),
    "credits": ("grammar_money", "Show, give and take back credits."),
    "orgs": ("grammar_money", "Make, list and change organisations."),
    "usage": ("grammar_money", "What calls came to, by day, model, provider, …"),
    "ledger": ("grammar_money", "Prove the books, rebuild them, reconcile them."),
    "keys": ("grammar_keys", "Keep own keys for providers, of users and organisations."),
    "practice": ("grammar_house", "Run practice providers alone, with any fault."),
    "bench": ("grammar_house", "Measure what a running installation adds to a call."),
    "doctor": ("grammar_house", "Check settings, data, port, keys and providers."),
    "config": ("grammar_house", "Show and check the settings in force."),
    "completion": ("grammar_house", "Print a script that completes commands in your shell."),
}
"""Command → module that declares it, and its line of help."""


FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""A disk, or whatever else stdout leads to, takes no more."""


class LazyGroup(click.Group):
    """Imports a command's module only when that command is used; the list of commands needs none of them."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        command: Any = getattr(importlib.import_module(f"waypost.cli.{known[0]}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            # Imported for whoever slipped, and for nobody else.
            near = importlib.import_module("difflib").get_close_matches(args[0], COMMANDS, 1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="waypost")
def waypost() -> None:
    """A self-hosted inference router that explains itself."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code."""
    _give_streams()
    for stream in (sys.stdout, sys.stderr):
        # What a model writes may be more than the terminal's alphabet.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return _ended(arguments)
    except OSError as error:
        if error.errno not in FULL:
            raise
        forget_stdout()
        said = f"The output cannot be written: {os.strerror(error.errno).lower()}."
        return _told(Screen.of(), Stop(Exit.NOT_WELL, said, "Make room, or send it elsewhere."))


def _ended(arguments: Sequence[str] | None) -> int:
    """The exit code of a command, whichever way it ended."""
    try:
        waypost.main(arguments, prog_name="waypost", standalone_mode=False)
    except Stop as stop:
        return _told(Screen.of(), stop)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"`{context.command_path} --help` says what it takes." if context else ""
        return _told(Screen.of(), Stop(Exit.USAGE, error.format_message(), hint))
    except click.Abort:
        return Exit.INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.NOT_WELL
    return Exit.FINE


def _give_streams() -> None:
    """Whoever closed a stream (`>&-`) wants nothing from it; Python has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (open until we end)
            setattr(sys, name, nowhere)


def _told(screen: Screen, stop: Stop) -> int:
    screen.note(f"{screen.alarm('waypost:')} {plain_lines(stop.message)}")
    if stop.hint:
        screen.note(f"{screen.faint('hint:')} {as_called(plain(stop.hint))}")
    return stop.code
