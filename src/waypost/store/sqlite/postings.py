"""Which calls of a segment hold a key: packed sets of places, and how they meet. Pure.

A key is a column and its value in one number. A place is a call's position in its segment. Few places are kept as
they are, many as a bitmap; both become one Python integer, so that filters meet with `&`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

FIELDS: Final = ("session", "code", "token_id", "user_id", "model", "provider", "status", "policy", "outcome")
"""Columns of `calls` that lists filter by, those that leave out most first."""
FIELD_BITS: Final = 4
FEW_MAX: Final = 32
FEW, MANY = b"f", b"m"


def key_of(field: str, value: int) -> int:
    """The key of a column's value."""
    return value << FIELD_BITS | FIELDS.index(field)


def field_of(key: int) -> str:
    """The column of a key."""
    return FIELDS[key & (1 << FIELD_BITS) - 1]


def pack(places: list[int]) -> bytes:
    """Places, ascending, as they are stored."""
    if len(places) <= FEW_MAX:
        return FEW + array("H", places).tobytes()
    bitmap = bytearray((places[-1] >> 3) + 1)
    for place in places:
        bitmap[place >> 3] |= 1 << (place & 7)
    return MANY + bytes(bitmap)


def unpack(stored: bytes) -> int:
    """Stored places as the bits of a number."""
    if stored[:1] == MANY:
        return int.from_bytes(stored[1:], "little")
    bits = 0
    for place in array("H", stored[1:]):
        bits |= 1 << place
    return bits


def descending(bits: int) -> Iterator[int]:
    """The places in a number's bits, highest first."""
    while bits:
        place = bits.bit_length() - 1
        yield place
        bits ^= 1 << place


def grouped(field: str, values: Iterable[int | None]) -> dict[int, bytes]:
    """Key → stored places, from a column's values in order of place."""
    places: dict[int, list[int]] = {}
    for place, value in enumerate(values):
        if value is None:
            continue
        known = places.get(value)
        if known is None:
            places[value] = [place]
        else:
            known.append(place)
    return {key_of(field, value): pack(held) for value, held in places.items()}
