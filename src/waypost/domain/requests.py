"""Request numbers: time-ordered, unique across workers, short to read aloud."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PAIRS: Final = tuple(first + second for first in ALPHABET for second in ALPHABET)
WRITER_BITS: Final = 6
COUNT_BITS: Final = 15
TEXT_LENGTH: Final = 13


class RequestNumbers:
    """Makes 63-bit numbers: 42 bits of Unix milliseconds, 6 bits of writer, 15 bits of count.

    They only ever grow within a writer, even when the clock goes back.
    """

    def __init__(self, writer: int, clock_ms: Callable[[], int]) -> None:
        if not 0 <= writer < 1 << WRITER_BITS:
            raise ValueError(f"writer {writer} is not between 0 and {(1 << WRITER_BITS) - 1}")
        self._writer = writer << COUNT_BITS
        self._clock_ms = clock_ms
        self._last_ms = 0
        self._count = 0

    def next(self) -> tuple[int, int]:
        """A new number, and the Unix milliseconds in it."""
        now = self._clock_ms()
        if now > self._last_ms:
            self._last_ms = now
            self._count = 0
        else:
            self._count += 1
            if self._count >> COUNT_BITS:
                self._last_ms += 1
                self._count = 0
        ms = self._last_ms
        return (ms << (WRITER_BITS + COUNT_BITS)) | self._writer | self._count, ms


def request_id(number: int) -> str:
    """`req_` and 13 characters of Crockford's base 32, which sort as the numbers do."""
    pairs = PAIRS
    end = number & 0x3FFFFFFF
    return f"{_beginning(number >> 30)}{pairs[end >> 20]}{pairs[end >> 10 & 1023]}{pairs[end & 1023]}"


@lru_cache(maxsize=64)
def _beginning(number: int) -> str:
    """The first half of an id, which changes twice a second."""
    return f"req_{ALPHABET[number >> 30]}{PAIRS[number >> 20 & 1023]}{PAIRS[number >> 10 & 1023]}{PAIRS[number & 1023]}"


def request_number(text: str) -> int | None:
    """The number behind a `req_…`, or None where it is none of ours."""
    digits = text.removeprefix("req_").upper()
    if len(digits) != TEXT_LENGTH or any(digit not in ALPHABET for digit in digits):
        return None
    number = 0
    for digit in digits:
        number = number << 5 | ALPHABET.index(digit)
    return number if number < 1 << 63 else None


def first_number_at(ms: int) -> int:
    """The smallest number of a millisecond: a time filter becomes a key range."""
    return ms << (WRITER_BITS + COUNT_BITS)
