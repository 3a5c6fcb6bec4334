"""Fills a data folder with any number of calls, as years of use would leave it.

    python tests/support/many_calls.py 5000000 /tmp/data

2,000 users with two tokens each, 300 models, 12 providers; use falls off as 1/rank. One call in twenty failed, one in
ten has a session tag. The calls are written past the owner, in big transactions that nobody waits for.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
from sample_bills import Bills

from waypost.domain.requests import first_number_at
from waypost.domain.waybill import Outcome
from waypost.store.folder_lock import FolderLock
from waypost.store.rows import COLUMNS, OUTCOMES, RowMaker
from waypost.store.sqlite.folder import open_writer
from waypost.store.sqlite.many_rows import ManyRows
from waypost.store.sqlite.names import Names
from waypost.store.sqlite.segments import Segments

USERS, MODELS, PROVIDERS = 2_000, 300, 12
START_MS = 1_780_000_000_000
BATCH = 16_384
CALLS = ManyRows("INSERT", "calls", COLUMNS)
MAKE_USERS = ManyRows("INSERT", "users", ("id", "name", "created_at"))
MAKE_TOKENS = ManyRows("INSERT", "tokens", ("id", "digest", "user_id", "name", "kind", "last4", "created_at"))


def rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows as `RowMaker` makes them, by column."""
    choose = random.Random(seed)
    pattern = dict(zip(COLUMNS, RowMaker().row(next(Bills())), strict=False))
    popular = [1 / rank for rank in range(1, USERS + 1)]
    users = choose.choices(range(1, USERS + 1), popular, k=count)
    models = choose.choices(range(MODELS), popular[:MODELS], k=count)
    at_ms = START_MS
    for place in range(count):
        at_ms += choose.choice((0, 1, 3, 9, 25))
        row = pattern | {
            "id": first_number_at(at_ms) | place % 32_768,
            "user_id": users[place],
            "token_id": users[place] * 2 - choose.randrange(2),
            "payer": f"user user{users[place]}",
            "model": f"acme/model-{models[place]}",
            "provider": f"provider-{choose.randrange(PROVIDERS)}",
        }
        chance = choose.random()
        if chance < 0.05:
            row |= {"outcome": OUTCOMES[Outcome.FAILED], "status": 502, "code": "provider_failed"}
        elif chance > 0.9:
            row |= {"session": f"session-{place // 1000}"}
        yield row


def fill(connection: apsw.Connection, count: int, seed: int = 1) -> None:
    """Write so many calls, and the index of them."""
    connection.execute("PRAGMA synchronous = OFF")
    MAKE_USERS.write(connection, [(user, f"user{user}", 0) for user in range(1, USERS + 1)])
    MAKE_TOKENS.write(
        connection,
        [
            (token, token.to_bytes(32, "big"), (token + 1) // 2, f"token{token % 2}", "write", "abcd", 0)
            for token in range(1, USERS * 2 + 1)
        ],
    )
    names = Names(connection)
    made = rows(count, seed)
    for start in range(0, count, BATCH):
        with connection:
            batch = [list(next(made).values()) for _ in range(min(BATCH, count - start))]
            CALLS.write_values(connection, names.numbered(batch))
        names.keep_fresh()
        if start % (BATCH * 16) == 0:
            connection.wal_checkpoint()
    segments = Segments(connection)
    while segments.build_due:
        segments.build()
    connection.wal_checkpoint()
    connection.execute("PRAGMA synchronous = FULL")


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    lock = FolderLock(folder)
    lock.take()
    began = time.perf_counter()
    data = open_writer(folder, lock)
    fill(data, int(sys.argv[1]))
    data.close()
    lock.release()
    print(f"{int(sys.argv[1]):,} calls in {time.perf_counter() - began:.0f} s")  # noqa: T201
