"""The two engines hold the same tables: what is written once runs on both."""

import asyncio
import tempfile
from pathlib import Path

import apsw
import pytest

from waypost.store.owner import Owner
from waypost.store.sqlite.folder import DATABASE

COLUMNS = """
  SELECT table_name, column_name, is_nullable = 'NO', data_type FROM information_schema.columns
  WHERE table_schema = current_schema()
"""
TYPES = {"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea"}
OWN_AFFAIRS = {"segments", "segment_contents", "postings", "late", "sqlite_sequence", "migrations", "entries"}
"""How an engine finds lists, and what version it has; a view has no rules of its own."""


@pytest.fixture
def sqlite_tables(told, place):
    async def make(folder):
        await Owner(told(place._replace(folder=folder, database=None))).close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(make(Path(folder)))
        connection = apsw.Connection(str(Path(folder) / DATABASE))
        tables = 'SELECT m.name, c.name, c."notnull" OR c.pk, c.type FROM sqlite_schema m, pragma_table_info(m.name) c'
        tables += " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
        yield {(table, column): (bool(must), TYPES[kind]) for table, column, must, kind in connection.execute(tables)}
        connection.close()


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_both_engines_have_the_same_tables(told, place, postgres, sqlite_tables):
    async def make():
        await Owner(told(place)).close()

    asyncio.run(make())
    found = postgres.execute(COLUMNS, postgres.name(place.database))
    tables = {(table, column): (must, kind) for table, column, must, kind in found}
    assert without_own_affairs(tables) == without_own_affairs(sqlite_tables)


def without_own_affairs(tables):
    return {key: value for key, value in sorted(tables.items()) if key[0] not in OWN_AFFAIRS}
