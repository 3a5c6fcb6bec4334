"""How practice models count and choose: pieces of text for tokens, and dice that always fall the same way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

T = TypeVar("T")

_PIECE: Final = re.compile(r"\s*(?:\w{1,16}|[^\w\s])|\s+")
_COUNTED_CHARACTERS_MAX: Final = 65_536
_MASK: Final = (1 << 64) - 1


def pieces(text: str) -> list[str]:
    """Cut text into its practice tokens: words of at most 16 letters and single marks, each with the space before it.

    Joined they give the text again, and each is at least one byte long, as with any byte-level tokenizer.
    """
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many practice tokens a text has; from 64 KiB on an estimate, so that a huge prompt costs no seconds."""
    if len(text) > _COUNTED_CHARACTERS_MAX:
        return len(text) // 4
    return sum(1 for _ in _PIECE.finditer(text))


class Dice:
    """Choices that depend on the content alone, the same in every process and Python version (splitmix64)."""

    __slots__ = ("_state",)

    def __init__(self, *content: object) -> None:
        seed = "\x1f".join(map(str, content)).encode("utf-8", "surrogatepass")
        self._state = int.from_bytes(blake2b(seed, digest_size=8).digest(), "big")

    def below(self, limit: int) -> int:
        """A whole number from 0 up to, not including, `limit`."""
        return self._next() % limit

    def share(self) -> float:
        """A number from 0 up to, not including, 1."""
        return self._next() / (_MASK + 1)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def digits(self, length: int) -> str:
        """Hexadecimal digits, for ids."""
        return "".join(f"{self.below(16):x}" for _ in range(length))

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)
