"""Which engine holds the data."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from waypost.store.books import DataError
from waypost.store.engine import Engine
from waypost.store.sqlite.engine import SqliteEngine


def engine_of(folder: Path, database: str | None = None) -> Engine:
    """Postgres where a database is named, else SQLite in the data folder. Raises DataError without a driver."""
    if database is None:
        return SqliteEngine(folder)
    try:
        # An extra that most do without, and a tenth of a second for everybody else.
        module: Any = importlib.import_module("waypost.store.postgres.engine")
    except ImportError as error:
        raise DataError(
            f"Postgres needs its driver, psycopg, which cannot be imported: {error}.",
            "Install it with Waypost: pip install 'waypost[postgres]'.",
        ) from None
    engine: Engine = module.PostgresEngine(database)
    return engine
