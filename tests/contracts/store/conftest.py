"""Every way there is to the store. Postgres joins here, as one more driver."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sample_bills import Bills

from waypost.store.books import Books, Retention, StoreSettings
from waypost.store.link import OwnerLink
from waypost.store.owner import Owner
from waypost.store.reader import Reader

Open = Callable[[Path], AbstractAsyncContextManager[Books]]


def settings(folder: Path) -> StoreSettings:
    return StoreSettings(folder, Retention(None, None), retry_seconds_max=0.2, poll_seconds=0.05)


@asynccontextmanager
async def in_this_process(folder: Path) -> AsyncIterator[Books]:
    owner = Owner(settings(folder))
    try:
        yield owner
    finally:
        await owner.close()


@asynccontextmanager
async def through_the_socket(folder: Path) -> AsyncIterator[Books]:
    owner = Owner(settings(folder))
    await owner.listen()
    link = await OwnerLink.connect(folder)
    try:
        yield link
    finally:
        await link.close()
        await owner.close()


DRIVERS: dict[str, Open] = {"sqlite": in_this_process, "sqlite-worker": through_the_socket}


@pytest.fixture(params=DRIVERS)
def open_books(request) -> Open:
    return DRIVERS[request.param]


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="wp-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def bills():
    return Bills()


@pytest.fixture
def reader(folder):
    opened = []

    def open_once() -> Reader:
        if not opened:
            opened.append(Reader(folder))
        return opened[0]

    yield open_once
    for each in opened:
        each.close()
