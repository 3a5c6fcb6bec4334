"""Endpoint readings on the disk."""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from waypost.domain.pulse import PulseDelta
from waypost.store.sqlite.many_rows import ManyRows

ROWS: Final = ManyRows("REPLACE", "pulse", ("key", "at_ms", "reading"))
KEPT_MS: Final = 7 * 86_400_000
"""A reading this old says nothing any more."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PulseDelta).decode


def kept_readings(connection: apsw.Connection) -> list[PulseDelta]:
    """What was kept; readings of another version's shape are left out."""
    found = []
    rows: Any = connection.execute("SELECT reading FROM pulse").fetchall()
    for (stored,) in rows:
        try:
            found.append(_decode(stored))
        except msgspec.MsgspecError:
            continue
    return found


def save_readings(connection: apsw.Connection, readings: list[PulseDelta], now_ms: int) -> None:
    """Write the newest of some keys, and drop what is too old."""
    ROWS.write(connection, [(_encode(delta.key), delta.at_ms, _encode(delta)) for delta in readings])
    connection.execute("DELETE FROM pulse WHERE at_ms < ?", (now_ms - KEPT_MS,))
