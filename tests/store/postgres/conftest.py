"""A database, and what writes to it."""

import pytest
from sample_bills import START_MS, Bills

from waypost.store.postgres.opening import Database
from waypost.store.postgres.scribe import Scribe


@pytest.fixture
def bills():
    return Bills()


@pytest.fixture
def database(postgres_database):
    return Database(postgres_database)


@pytest.fixture
def scribe(database):
    made = Scribe(database, lambda: START_MS)
    yield made
    made.close()
