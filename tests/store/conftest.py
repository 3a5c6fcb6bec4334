"""A data folder, and what is in it."""

import shutil
import tempfile
from pathlib import Path

import apsw
import pytest
from sample_bills import Bills

from waypost.store.folder_lock import FolderLock
from waypost.store.reader import Reader
from waypost.store.sqlite.folder import open_writer
from waypost.store.sqlite.sql import SqliteSql


@pytest.fixture
def folder():
    """Short, because a Unix socket stands in it."""
    path = Path(tempfile.mkdtemp(prefix="wp-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def bills():
    return Bills()


@pytest.fixture
def connection(folder):
    """The write connection of a fresh folder, without its thread."""
    lock = FolderLock(folder)
    lock.take()
    writer: apsw.Connection = open_writer(folder, lock)
    yield writer
    writer.close()
    lock.release()


@pytest.fixture
def sql(connection):
    """The seam on that connection."""
    return SqliteSql(connection)


@pytest.fixture
def reader(folder):
    """Opened when first asked for: there must be data by then."""
    opened = []

    def open_once() -> Reader:
        if not opened:
            opened.append(Reader(folder))
        return opened[0]

    yield open_once
    for each in opened:
        each.close()
