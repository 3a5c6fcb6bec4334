"""Every way there is to the store, on every engine."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from outages import PostgresOutage, sqlite_outage
from sample_bills import Bills
from store_staff import Staff

from waypost.store.books import Books, Retention, StoreSettings
from waypost.store.link import OwnerLink
from waypost.store.owner import Owner
from waypost.store.reader import Reader

Open = Callable[[Path], AbstractAsyncContextManager[Books]]


class Place(NamedTuple):
    """What the store is told of where the data is."""

    folder: Path
    database: str | None


def settings(place: Place) -> StoreSettings:
    return StoreSettings(place.folder, Retention(None, None), place.database, retry_seconds_max=0.2, poll_seconds=0.05)


@asynccontextmanager
async def in_this_process(place: Place) -> AsyncIterator[Books]:
    owner = Owner(settings(place))
    try:
        yield owner
    finally:
        await owner.close()


@asynccontextmanager
async def through_the_socket(place: Place) -> AsyncIterator[Books]:
    owner = Owner(settings(place))
    await owner.listen()
    link = await OwnerLink.connect(place.folder)
    try:
        yield link
    finally:
        await link.close()
        await owner.close()


WAYS: dict[str, Open] = {"owner": in_this_process, "worker": through_the_socket}


@pytest.fixture(params=WAYS)
def open_books(request) -> Open:
    """Each way to the store; `place` makes it each way on each engine."""
    return WAYS[request.param]


@pytest.fixture
def place(folder, database):
    return Place(folder, database)


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="wp-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def told():
    """What the store is told of a place."""
    return settings


@pytest.fixture
def outage(request, database):
    """The engine of the test, to be made to fail. Asked for before the store is opened."""
    if database is not None:
        yield PostgresOutage(request.getfixturevalue("postgres"), database)
        return
    with sqlite_outage() as made:
        yield made


@pytest.fixture
def bills():
    return Bills()


@pytest.fixture
def reader(place):
    opened = []

    def open_once() -> Reader:
        if not opened:
            opened.append(Reader(*place))
        return opened[0]

    yield open_once
    for each in opened:
        each.close()


@pytest.fixture
def staffed(run, place):
    """`staffed(count, story)`: run the story with an owner and so many workers."""

    def play(count, story):
        async def whole():
            staff = Staff(place)
            await staff.start(count)
            try:
                await story(staff)
            finally:
                await staff.stop()

        run(whole())

    return play
