"""The vault: seals what must be kept and may not be read by whoever has the database alone.

AES-256-GCM (NIST SP 800-38D) under keys from a file beside the pepper. Each purpose has a key of its own, derived with
HKDF-SHA-256 (RFC 5869), so that nothing sealed for one purpose opens for another; what it belongs to (owner, provider,
address) is authenticated with it, so that nothing sealed for one owner opens for another. Every sealed text says which
key it needs. The file holds the newest key first, and older ones only while something may still need them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from waypost.store.books import DataError

FILE: Final = "vault"
LOCK_FILE: Final = "vault.lock"
PROVIDER_KEYS: Final = "provider keys"
REPLIES: Final = "replies"
VERSION: Final = b"\x01"
ID_BYTES: Final = 4
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
HEAD_BYTES: Final = len(VERSION) + ID_BYTES
OTHERS: Final = 0o077


class Unopened(Exception):
    """It was sealed with a key that is gone, for something else, or is damaged."""


class Vault:
    """Seals and opens. The file is read when it is first needed, and made when something is first sealed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._seen: tuple[int, ...] = ()
        self._keys: dict[bytes, bytes] = {}
        """By id, the newest first."""
        self._derived: dict[tuple[bytes, str], AESGCM] = {}

    def check(self) -> None:
        """Read the file, if there is one. Raises DataError where it is not for us alone, or cannot be read."""
        self._look()

    def seal(self, label: str, plain: bytes, about: tuple[str, ...]) -> bytes:
        """Sealed with the newest key, for one purpose and for what it is about. Raises DataError."""
        self._look()
        if not self._keys:
            self._make()
        head = VERSION + self.newest
        nonce = secrets.token_bytes(NONCE_BYTES)
        return head + nonce + self._cipher(self.newest, label).encrypt(nonce, plain, _bound(head, about))

    def open(self, label: str, sealed: bytes, about: tuple[str, ...]) -> bytes:
        """What was sealed. Raises Unopened, and DataError where the file cannot be read."""
        number = key_of(sealed)
        if number not in self._keys:
            self._look()
        if sealed[: len(VERSION)] != VERSION or number not in self._keys:
            raise Unopened
        head, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES:]
        try:
            return self._cipher(number, label).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _bound(head, about))
        except (InvalidTag, ValueError):
            raise Unopened from None

    def is_newest(self, sealed: bytes) -> bool:
        """Whether it was sealed with the key that everything is to be sealed with now. Raises DataError."""
        self._look()
        return bool(self._keys) and key_of(sealed) == self.newest

    @property
    def newest(self) -> bytes:
        """Id of the newest key."""
        return next(iter(self._keys))

    @contextmanager
    def turned(self) -> Iterator[None]:
        """Seal with a new key from now on, in every process; at the end the older ones are thrown away.

        What is under them must have been sealed anew by then. Where that fails they are kept. One at a time.
        """
        with (self._path.parent / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._look()
            self._write({secrets.token_bytes(ID_BYTES): secrets.token_bytes(KEY_BYTES), **self._keys})
            yield
            self._write({self.newest: self._keys[self.newest]})

    def _cipher(self, number: bytes, label: str) -> AESGCM:
        found = self._derived.get((number, label))
        if found is None:
            derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"waypost {label}".encode()).derive(self._keys[number])
            found = self._derived[number, label] = AESGCM(derived)
        return found

    def _look(self) -> None:
        """Read the file again if it is another one than before."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
            if seen == self._seen:
                return
            if stat.st_mode & OTHERS:
                raise DataError(
                    f"Others than its owner may read or write {self._path}, which opens every provider key.",
                    f"Mend it: chmod 600 {self._path}. If others had access to this machine, replace the keys, too.",
                )
            self._keys, self._seen = _read(self._path), seen
        except FileNotFoundError:
            self._keys, self._seen = {}, ()
        except (OSError, ValueError) as error:
            raise DataError(f"{self._path} cannot be read: {error}.", "Restore it from a backup.") from None
        self._derived.clear()

    def _make(self) -> None:
        """Never replaced: of two processes that seal their first at once, one's key holds for both."""
        aside = self._aside({secrets.token_bytes(ID_BYTES): secrets.token_bytes(KEY_BYTES)})
        try:
            with suppress(FileExistsError):
                self._path.hardlink_to(aside)
        finally:
            aside.unlink()
        self._settle()

    def _write(self, keys: dict[bytes, bytes]) -> None:
        self._aside(keys).replace(self._path)
        self._settle()

    def _settle(self) -> None:
        """Nothing is sealed with a key that a power cut could take away."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._look()

    def _aside(self, keys: dict[bytes, bytes]) -> Path:
        """A complete file for this user alone."""
        descriptor, aside = mkstemp(prefix=f".{FILE}.", dir=self._path.parent)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{number.hex()} {key.hex()}\n" for number, key in keys.items())
            file.flush()
            os.fsync(file.fileno())
        return Path(aside)


def key_of(sealed: bytes) -> bytes:
    """Id of the key that it was sealed with."""
    return sealed[len(VERSION) : HEAD_BYTES]


def _read(path: Path) -> dict[bytes, bytes]:
    keys = {}
    for line in path.read_text("ascii").splitlines():
        number, key = (bytes.fromhex(word) for word in line.split(" "))
        if len(number) != ID_BYTES or len(key) != KEY_BYTES:
            raise ValueError("it is damaged")
        keys[number] = key
    if not keys:
        raise ValueError("it is empty")
    return keys


def _bound(head: bytes, about: tuple[str, ...]) -> bytes:
    """What is authenticated beside the text; lengths go before the words, so that no two lists of them are alike."""
    words = (word.encode() for word in about)
    return head + b"".join(len(word).to_bytes(4, "big") + word for word in words)
