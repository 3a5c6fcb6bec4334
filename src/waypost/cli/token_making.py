"""A new token through the owner of the data: the secret is made here and goes nowhere but to who asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from waypost.domain.callers import Token
from waypost.identity.pepper import read_pepper
from waypost.identity.tokens import mint
from waypost.store.visitor import Run


def make_token(run: Run, folder: Path, prefix: str, wanted: dict[str, Any]) -> tuple[str, Token]:
    """The secret, and the token as it is kept. `wanted` is `token.create`'s. Raises Problem and OSError."""
    minted = mint(prefix)
    made = run("token.create", wanted | {"digest": minted.digest(read_pepper(folder)), "last4": minted.last4})
    return minted.secret, made
