"""The pepper: the secret that token digests are made with, kept beside the database, which alone is worth nothing."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

FILE: Final = "pepper"
BYTES: Final = 32


def read_pepper(folder: Path) -> bytes:
    """The folder's pepper, made where there is none. Raises OSError."""
    path = folder / FILE
    if not path.exists():
        _make(path)
    return path.read_bytes()


def _make(path: Path) -> None:
    """Complete or not there, and never replaced: of two processes that start at once, one's pepper holds for both."""
    descriptor, aside = mkstemp(prefix=f".{FILE}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            path.hardlink_to(aside)
    finally:
        Path(aside).unlink()
