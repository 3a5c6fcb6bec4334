"""Which core does what: the gateway alone on its own, the load and the canned provider on the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

CAN_PIN = hasattr(os, "sched_setaffinity")


class Layout(NamedTuple):
    """The cores of each part; None lets the kernel choose."""

    gateway: frozenset[int] | None
    load: frozenset[int] | None
    upstream: frozenset[int] | None
    note: str = ""
    """Why it is not as one would expect."""

    @property
    def pinned(self) -> bool:
        return self.gateway is not None

    @property
    def load_shares(self) -> bool:
        """The load and the canned provider share one core, so that their work adds up."""
        return self.load == self.upstream


def available() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if CAN_PIN else list(range(os.cpu_count() or 1))


def layout(cores: Sequence[int], workers: int, *, pinned: bool, can_pin: bool = CAN_PIN) -> Layout:
    """As many cores for the gateway as it has workers, if one is left for the load; two are better."""
    if not pinned:
        return Layout(None, None, None)
    if not can_pin:
        return Layout(None, None, None, "this system cannot keep a process on a core: everything ran on any core")
    if len(cores) < 2:
        return Layout(None, None, None, "there is one core only: gateway, load and provider shared it")
    count = min(workers, len(cores) - 1)
    gateway, rest = cores[:count], cores[count:]
    note = f"{workers} workers shared {count} cores" if count < workers else ""
    return Layout(frozenset(gateway), frozenset(rest[:1]), frozenset(rest[1:2] or rest[:1]), note)


@contextmanager
def placed(cores: frozenset[int] | None) -> Iterator[None]:
    """Processes started inside run on these cores, from their first instruction on."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
