"""What a command writes on: data on stdout, everything else on stderr; colour only where somebody sees it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from typing import IO, Any, Final, NamedTuple

import click

STYLES: Final = ("human", "json", "tsv", "quiet")
SCHEMA: Final = 1
"""Version of what `--format json` prints; it grows when a field changes its meaning or goes."""

UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What a terminal obeys instead of showing it: C0 and C1 controls but for line feed and tab, and marks of direction."""

OUR_COMMAND: Final = re.compile(r"(?:(?<=`)|(?<=: )|^)waypost(?= (?:--)?[a-z]+)")
"""Where a hint names a command line of ours."""


def plain(text: object) -> str:
    """Foreign text on one line, with nothing in it that a terminal obeys."""
    return " ".join(UNSAFE.sub("", str(text)).split())


def plain_lines(text: str) -> str:
    """The same for text that has lines."""
    return UNSAFE.sub("", text)


def cell(value: object) -> str:
    """A value for programs, on one line: nothing for what is not known, lists with commas, objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)) and not any(isinstance(each, (dict, list, tuple)) for each in value):
        return plain(",".join(map(str, value)))
    return plain(json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, tuple)) else value)


def command_name() -> str:
    """How this command line was called, for lines that people paste."""
    called = os.environ.get("WAYPOST_COMMAND")  # noqa: TID251 (`./dev` says so when it calls us)
    return called or ("waypost" if sys.argv[0].rpartition(os.sep)[2] == "waypost" else "python -m waypost")


def as_called(text: str) -> str:
    """A text whose command lines begin as this one was called."""
    return OUR_COMMAND.sub(lambda _: command_name(), text)


def colour_wanted(stream: IO[str]) -> bool:
    """Whether a stream is a terminal that wants colour (https://no-color.org)."""
    environment = os.environ  # noqa: TID251 (the command line's own look)
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


class Screen(NamedTuple):
    """Where a command writes, and how."""

    style: str
    """One of STYLES."""
    out_colour: bool = False
    note_colour: bool = False
    width: int | None = None
    """Columns of the terminal; None where stdout is none, and nothing is cut."""

    @classmethod
    def of(cls, style: str | None = None) -> Screen:
        """This process's screen: for people on a terminal, as tab-separated values in a pipe, unless told."""
        terminal = sys.stdout.isatty()
        return cls(
            style or ("human" if terminal else "tsv"),
            colour_wanted(sys.stdout),
            colour_wanted(sys.stderr),
            _columns() if terminal else None,
        )

    @property
    def human(self) -> bool:
        return self.style == "human"

    def out(self, text: str = "", end: str = "\n") -> None:
        """Data. Foreign text in it went through `plain` before."""
        sys.stdout.write(text + end)

    def flush(self) -> None:
        sys.stdout.flush()

    def note(self, text: str = "", end: str = "\n") -> None:
        """What is not data: progress, an error."""
        sys.stdout.flush()
        sys.stderr.write(text + end)
        sys.stderr.flush()

    def hint(self, text: str) -> None:
        """What to do next, for people only."""
        if self.human:
            self.note(f"{self.faint('hint:')} {as_called(text)}")

    def json(self, value: Any, *, line: bool = False) -> None:
        """Data as JSON: indented on a terminal; on one line in a pipe, or where it is one of many."""
        indent = 2 if self.width is not None and not line else None
        text = json.dumps({"schema": SCHEMA, "data": value}, ensure_ascii=False, indent=indent, default=list)
        self.out(UNSAFE.sub(_escaped, text))

    def rows(self, rows: Iterable[Iterable[object]]) -> None:
        """Data as tab-separated values."""
        for row in rows:
            self.out("\t".join(map(cell, row)))

    def bold(self, text: str) -> str:
        """For stdout, as the other colours without `note_` in their name."""
        return click.style(text, bold=True) if self.out_colour else text

    def dim(self, text: str) -> str:
        return click.style(text, dim=True) if self.out_colour else text

    def green(self, text: str) -> str:
        return click.style(text, fg="green") if self.out_colour else text

    def yellow(self, text: str) -> str:
        return click.style(text, fg="yellow") if self.out_colour else text

    def red(self, text: str) -> str:
        return click.style(text, fg="red") if self.out_colour else text

    def faint(self, text: str) -> str:
        """For stderr."""
        return click.style(text, dim=True) if self.note_colour else text

    def alarm(self, text: str) -> str:
        """For stderr."""
        return click.style(text, fg="red", bold=True) if self.note_colour else text


def _columns() -> int | None:
    """Of the terminal behind stdout; None where it does not say."""
    told = os.environ.get("COLUMNS", "")  # noqa: TID251 (how a shell tells)
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def _escaped(match: re.Match[str]) -> str:
    """Such a character stands only inside of JSON's strings, where this is the same character."""
    return f"\\u{ord(match[0]):04x}"
