"""Which engine holds the data."""

from __future__ import annotations

from pathlib import Path

from waypost.store.engine import Engine
from waypost.store.sqlite.engine import SqliteEngine


def engine_of(folder: Path) -> Engine:
    """The engine of a data folder."""
    return SqliteEngine(folder)
