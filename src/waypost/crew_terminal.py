"""SIGHUP has two meanings: to whoever serves without a terminal "read the settings", to others "it was closed"."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

CONTROLLING: Final = "/dev/tty"
STREAMS: Final = (0, 2)
LOOK_AGAIN_SECONDS: Final = 1.0
"""Where a shell was killed, its children hear of it a little before their terminal has gone."""


class Terminal:
    """The terminal that we were started from, if it was one. `nohup` means to have none."""

    def __init__(self) -> None:
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._had = frozenset[object]() if ignored else _present()

    @property
    def gone(self) -> bool:
        """There was one, and it was closed."""
        return bool(self._had - _present())


def on_hangup(terminal: Terminal, closed: Callable[[], None], reload: Callable[[], None]) -> None:
    """From now on SIGHUP calls `closed` where the terminal has gone, else `reload`."""
    loop = asyncio.get_running_loop()

    def look_again() -> None:
        if terminal.gone:
            closed()

    def hung_up() -> None:
        if terminal.gone:
            closed()
        else:
            reload()
            loop.call_later(LOOK_AGAIN_SECONDS, look_again)

    loop.add_signal_handler(signal.SIGHUP, hung_up)


def _present() -> frozenset[object]:
    """What there is of a terminal now."""
    found: set[object] = {number for number in STREAMS if os.isatty(number)}
    try:
        os.close(os.open(CONTROLLING, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return frozenset(found)
    return frozenset({*found, CONTROLLING})
