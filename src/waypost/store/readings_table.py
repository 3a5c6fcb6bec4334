"""Endpoint readings on the disk."""

from __future__ import annotations

from typing import Final

import msgspec

from waypost.domain.pulse import PulseDelta
from waypost.store.sql import Sql

COLUMNS: Final = ("key", "at_ms", "reading")
CONFLICT: Final = "(key) DO UPDATE SET at_ms = excluded.at_ms, reading = excluded.reading"
KEPT_MS: Final = 7 * 86_400_000
"""A reading this old says nothing any more."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PulseDelta).decode


def kept_readings(sql: Sql) -> list[PulseDelta]:
    """What was kept; readings of another version's shape are left out."""
    found = []
    for (stored,) in sql.rows("SELECT reading FROM pulse"):
        try:
            found.append(_decode(stored))
        except msgspec.MsgspecError:
            continue
    return found


def save_readings(sql: Sql, readings: list[PulseDelta], now_ms: int) -> None:
    """Write the newest of some keys, and drop what is too old."""
    newest = {_encode(delta.key): delta for delta in readings}
    rows = [(key, delta.at_ms, _encode(delta)) for key, delta in newest.items()]
    sql.insert("pulse", COLUMNS, rows, CONFLICT)
    sql.run("DELETE FROM pulse WHERE at_ms < :before", {"before": now_ms - KEPT_MS})
