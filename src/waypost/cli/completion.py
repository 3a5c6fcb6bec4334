"""`waypost completion`: the scripts that teach a shell to complete our commands. click's own, made without a shell."""

from __future__ import annotations

from typing import Final

from click.shell_completion import ShellComplete, get_completion_class

from waypost.cli.main import waypost
from waypost.cli.options import Call

VARIABLE: Final = "_WAYPOST_COMPLETE"
NAME: Final = "waypost"


def print_script(call: Call, shell: str) -> None:
    """The script for a shell, on stdout."""
    call.screen.out(script(shell), end="")


def script(shell: str) -> str:
    """The script. bash's own class would first ask a bash for its version, and there may be none on this machine."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 (the grammar takes only shells that click knows)
    return ShellComplete.source(kind(waypost, {}, NAME, VARIABLE)).rstrip() + "\n"
