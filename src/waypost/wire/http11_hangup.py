"""Has the other side of a socket closed, though unread bytes still stand before its end?"""

from __future__ import annotations

import select
from typing import Final

ENDED: Final = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0) | getattr(select, "POLLERR", 0)


def hung_up(descriptor: int) -> bool:
    """Ask the kernel, without reading. False where it cannot tell (anything but Linux)."""
    if not ENDED or descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, ENDED)
    return bool(poll.poll(0))
