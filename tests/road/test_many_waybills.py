"""Years of waybills: any page of any combination of filters comes at once."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from many_calls import START_MS, fill

from waypost.domain.waybill import Outcome
from waypost.store.books import Filters
from waypost.store.folder_lock import FolderLock
from waypost.store.reader import Reader
from waypost.store.sqlite.folder import open_writer

pytestmark = pytest.mark.timeout(600)  # for the long form

PAGE_SECONDS_MAX = 0.05
TRIES = 3
"""The best counts: others use this machine too."""
ROWS, ROWS_FULL = 200_000, 5_000_000
COMBINATIONS, COMBINATIONS_FULL = 150, 1500
SOME: dict[str, list[Any]] = {
    "user": ["user1", "user40", "user1999", "nobody"],
    "token": ["token0", "token1", "no such token"],
    "model": ["acme/model-0", "acme/model-299", "acme/none"],
    "provider": ["provider-0", "provider-11"],
    "outcome": [Outcome.DELIVERED, Outcome.FAILED, Outcome.LEFT],
    "code": ["provider_failed", "no_such_code"],
    "status": [200, 502, 404],
    "session": ["session-1", "session-150", "no-such-session"],
    "policy": ["fastest", "cheapest"],
}


@pytest.fixture(scope="module")
def archive(request, tmp_path_factory) -> Iterator[tuple[Path, int]]:
    """A filled folder, and how many rows are in it."""
    rows = ROWS_FULL if request.config.getoption("--full") else ROWS
    folder = tmp_path_factory.mktemp("archive")
    lock = FolderLock(folder)
    lock.take()
    connection = open_writer(folder, lock)
    fill(connection, rows)
    connection.close()
    lock.release()
    yield folder, rows
    for file in folder.iterdir():  # gigabytes, in the long form
        file.unlink()


def asked(count: int, rows: int) -> list[Filters]:
    """Every pair of filters, and as many larger combinations as there is room for; with times and deep pages too."""
    dice = random.Random(7)
    sets = [names for size in (0, 1, 2) for names in combinations(SOME, size)]
    sets += [tuple(dice.sample(list(SOME), dice.randint(3, 6))) for _ in range(max(0, count - len(sets)))]
    last_ms = START_MS + rows * 8  # about where the filling ends
    found = []
    for names in sets:
        wanted = {name: dice.choice(SOME[name]) for name in names}
        kind = dice.randint(0, 3)
        if kind == 1:
            wanted["until_ms"] = dice.randint(START_MS, last_ms)
        elif kind == 2:
            wanted["since_ms"] = dice.randint(START_MS, last_ms)
        elif kind == 3:
            wanted["since_ms"] = dice.randint(START_MS, last_ms)
            wanted["until_ms"] = wanted["since_ms"] + dice.choice([1000, 100_000, 10_000_000])
        found.append(Filters(**wanted))
    return found


def seconds(reader: Reader, filters: Filters) -> float:
    best = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        reader.page(filters)
        best = min(best, time.perf_counter() - began)
    return best


def test_every_page_of_every_combination_of_filters_comes_at_once(archive, full) -> None:
    folder, rows = archive
    reader = Reader(folder)
    took = {filters: seconds(reader, filters) for filters in asked(COMBINATIONS_FULL if full else COMBINATIONS, rows)}
    slow = {filters: round(best * 1000) for filters, best in took.items() if best > PAGE_SECONDS_MAX}
    print(f"{len(took)} combinations over {rows:,} rows, the slowest {max(took.values()) * 1000:.1f} ms")  # noqa: T201
    assert slow == {}


def test_leafing_through_to_the_end_stays_as_quick_as_the_first_page(archive) -> None:
    folder, rows = archive
    reader = Reader(folder)
    newest = reader.page(Filters()).items[0]["id"]
    filters, seen, slowest = Filters(user="user300", limit=200), 0, 0.0
    while True:
        began = time.perf_counter()
        page = reader.page(filters)
        slowest = max(slowest, min(time.perf_counter() - began, seconds(reader, filters)))
        seen += len(page.items)
        if page.next is None:
            break
        assert page.next < (filters.before or newest)
        filters = filters._replace(before=page.next)
    share = rows / 300 / sum(1 / rank for rank in range(1, 2001))
    assert 0.7 * share < seen < 1.3 * share
    assert slowest < PAGE_SECONDS_MAX
