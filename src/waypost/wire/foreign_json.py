r"""JSON as others write it: with half characters, and with bytes that are no text. Pure.

A half character, `\ud83d` alone, is allowed by the grammar and refused by our decoder. Programs that cut text by UTF-16
units write it, an emoji whose halves come in two events; clients read it, so it must pass. To look into such text we
read it with U+FFFD in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Everything that reading a text which is no JSON may raise."""

_ESCAPE: Final = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_INSTEAD: Final = rb"\ufffd"

Value = TypeVar("Value")


def read_foreign(decode: Callable[[bytes], Value], text: bytes) -> Value:
    """What `decode` reads, half characters or not. Raises what is in UNREADABLE."""
    if not text.isascii():
        text.decode()  # what a decoder passes over it does not check
    try:
        return decode(text)
    except msgspec.DecodeError:
        whole = without_halves(text)
        if whole == text:
            raise
        return decode(whole)


def without_halves(text: bytes) -> bytes:
    """JSON of the same length with U+FFFD for every half character. What is no JSON stays none."""
    return _ESCAPE.sub(_mend, text)


def _mend(escape: re.Match[bytes]) -> bytes:
    return _INSTEAD if escape[2] else escape[0]
