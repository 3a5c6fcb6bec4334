"""Tokens as text: making them, telling a whole one from a spoilt one, and the digest that we keep instead.

`wp_` (a setting), 160 random bits and a checksum of all that in base 62. The checksum tells a mistyped or cut token
from one that was revoked, without asking anybody.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from typing import Final, NamedTuple
from zlib import crc32

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_BITS: Final = 160
RANDOM_CHARACTERS: Final = 27
CHECKSUM_CHARACTERS: Final = 6
LAST_SHOWN: Final = 4
SHAPE: Final = re.compile(
    rf"[a-z][a-z0-9]*(?:_[a-z0-9]+){{0,3}}_[0-9A-Za-z]{{{RANDOM_CHARACTERS + CHECKSUM_CHARACTERS}}}"
)
BLOCK_BYTES: Final = 64


class Minted(NamedTuple):
    """A new token. The secret is shown once and kept nowhere."""

    secret: str

    @property
    def last4(self) -> str:
        """What lists show, to tell tokens apart."""
        return self.secret[-LAST_SHOWN:]

    def digest(self, pepper: bytes) -> bytes:
        """What the store keeps."""
        return Digester(pepper).digest(self.secret.encode())


class Digester:
    """HMAC-SHA-256 under one pepper (RFC 2104), the padded key hashed beforehand: a third of `hmac.digest`'s time."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, pepper: bytes) -> None:
        key = (sha256(pepper).digest() if len(pepper) > BLOCK_BYTES else pepper).ljust(BLOCK_BYTES, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in key))

    def digest(self, secret: bytes) -> bytes:
        """32 bytes that say nothing about the secret to whoever lacks the pepper."""
        inner = self._inner.copy()
        inner.update(secret)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def mint(prefix: str) -> Minted:
    """A new token with this prefix."""
    body = prefix + _base62(secrets.randbits(RANDOM_BITS), RANDOM_CHARACTERS)
    return Minted(body + _checksum(body))


def is_whole(secret: str) -> bool:
    """Whether this could be a token of ours: its shape is right, and its checksum says that no letter is wrong."""
    return SHAPE.fullmatch(secret) is not None and secret[-CHECKSUM_CHARACTERS:] == _checksum(
        secret[:-CHECKSUM_CHARACTERS]
    )


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), CHECKSUM_CHARACTERS)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
