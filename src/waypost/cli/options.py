"""What commands share: the options that say which installation is meant, the format, and how a command is carried out.

Commands are declared in the `grammar_…` modules, which import next to nothing, so that help and completion are quick;
what a command does is in a module that is imported when it is done.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

from waypost.cli.exits import Exit, Stop
from waypost.cli.screen import STYLES, Screen

Declared = TypeVar("Declared", bound=Callable[..., Any])
WIDTH_MAX: Final = 80
WIDTH_MIN: Final = 20
WIDE: Final = 60
"""Help narrower than this gives NAME_WIDTH columns to names, and longer names a line of their own."""
NAME_WIDTH: Final = 10
PATH: Final = click.Path(path_type=Path)


class Where(NamedTuple):
    """Which installation is meant, as far as it was said."""

    url: str | None = None
    token: str | None = None
    data: Path | None = None
    config: Path | None = None


class Call(NamedTuple):
    """What every command is handed: which installation is meant, and where to write."""

    where: Where
    screen: Screen


def done_by(place: str) -> Callable[[Declared], Declared]:
    """The command is done by the function at `module:name` of the command line, called with a Call and its options.

    It may return an exit code. Errors that a person can mend become a Stop.
    """
    module, _, name = place.partition(":")

    def decorate(declared: Declared) -> Declared:
        @wraps(declared)
        def run(**given: Any) -> None:
            where = Where(*(given.pop(field, None) for field in Where._fields))
            call = Call(where, Screen.of(given.pop("style", "human")))
            try:
                code = getattr(importlib.import_module(f"waypost.cli.{module}"), name)(call, **given)
                sys.stdout.flush()
            except BrokenPipeError:
                forget_stdout()
            except Exception as error:
                stop = stop_of(error)
                if stop is None:
                    raise
                raise stop from None
            else:
                if code:
                    sys.exit(code)

        run.place = place  # type: ignore[attr-defined]  # for the test that every place is there
        return run  # type: ignore[return-value]

    return decorate


def stop_of(error: Exception) -> Stop | None:
    """The end that an error means; None for a bug. What there can be wrong is imported when something is."""
    stop: Stop | None = importlib.import_module("waypost.cli.failures").stop_of(error)
    return stop


def forget_stdout() -> None:
    """Whoever read has had enough, as `| head` has: nothing is wrong, and Python must not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Formatter(click.HelpFormatter):
    """click's own would write 50 columns on a terminal of 40, and give half of them to the options' names."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size().columns
        fitting = min(columns - 2, (max_width or WIDTH_MAX) - 2) if width is None else width
        super().__init__(indent_increment, max(fitting, WIDTH_MIN), max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Options, or commands, and what each is for."""
        super().write_dl(rows, col_max if self.width >= WIDE else NAME_WIDTH, col_spacing)


class Context(click.Context):
    """Whatever is asked for help writes it so."""

    formatter_class = Formatter


class Command(click.Command):
    """A command of ours."""

    context_class = Context


class Resource(click.Group):
    """Commands about one kind of thing; its list says of each the whole first sentence."""

    context_class = Context
    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first_sentence(command)) for name, command in found if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first_sentence(command: click.Command) -> str:
    text = " ".join((command.help or "").partition("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".") + "."


class Completed(click.ParamType[str, str]):
    """A text that the shell can complete; `what` names a function of `completing.py`."""

    name = "text"

    def __init__(self, what: str, name: str = "text") -> None:
        self._what = what
        self.name = name

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            words = getattr(importlib.import_module("waypost.cli.completing"), self._what)(ctx.params, incomplete)
        except Exception:  # noqa: BLE001 (a shell that waits for words must never see a traceback)
            return []
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


MODEL: Final = Completed("models", "model")
POLICY_MODEL: Final = Completed("models_and_policies", "model[:policy]")
PROVIDER: Final = Completed("providers", "provider")
REQUEST: Final = Completed("requests", "req_…")


def format_option(declared: Declared) -> Declared:
    """`--format`, which Call's screen takes."""
    return click.option(
        "--format",
        "style",
        type=click.Choice(STYLES),
        help="How data is printed.  [default: human on a terminal, tsv in a pipe]",
    )(declared)


def folder_options(declared: Declared) -> Declared:
    """`--data` and `--config`: for commands that work on this machine."""
    declared = click.option("--config", type=PATH, help="Settings file.  [default: waypost.toml, if there is one]")(
        declared
    )
    return click.option("--data", type=PATH, help="Data folder.  [default: as `waypost serve` has it]")(declared)


def server_options(declared: Declared) -> Declared:
    """`--url`, `--token` and `folder_options`: for commands that talk to a server."""
    declared = folder_options(declared)
    declared = click.option(
        "--token",
        envvar="WAYPOST_TOKEN",
        help="Token to show.  [default: WAYPOST_TOKEN, else one made for the server of this data folder]",
    )(declared)
    return click.option(
        "--url",
        envvar="WAYPOST_URL",
        help="Address of the server.  [default: WAYPOST_URL, else the server of this data folder]",
    )(declared)


def usage_error(message: str, hint: str = "") -> Stop:
    """An argument is wrong in a way that click does not see."""
    return Stop(Exit.USAGE, message, hint)
