"""The wall clock, for whoever is not handed another one."""

from __future__ import annotations

import time


def unix_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def unix_seconds() -> float:
    """Unix seconds."""
    return time.time_ns() / 1_000_000_000
