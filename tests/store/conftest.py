"""A data folder, and what is in it."""

import shutil
import tempfile
from pathlib import Path

import apsw
import pytest
from sample_bills import START_MS, Bills

from waypost.store.books import Retention
from waypost.store.engines import engine_of
from waypost.store.folder_lock import FolderLock
from waypost.store.reader import Reader
from waypost.store.sqlite.folder import open_writer


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
def sql(folder, database):
    """The seam on the write connection of fresh data, on both engines."""
    lock = FolderLock(folder)
    lock.take()
    scribe, _ = engine_of(folder, database).open_writer(Retention(), lambda: START_MS)
    yield scribe.sql
    scribe.close()
    lock.release()


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
