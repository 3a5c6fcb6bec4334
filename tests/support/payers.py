"""Organisations and members for tests of who pays."""

from __future__ import annotations

from typing import Any

from waypost.domain.callers import Token, User
from waypost.domain.payers import Member, Organisation
from waypost.identity.registry import Identity
from waypost.identity.tokens import Minted
from waypost.store.books import Change

PEPPER = b"p" * 32
NOW = 1_790_000_000_000


class Town:
    """Two users with a token each, the user's name its secret, and an organisation."""

    def __init__(self) -> None:
        self.identity = Identity(PEPPER, lambda: NOW)
        self.ann, self.bob = User(1, "ann"), User(2, "bob")
        self.acme = Organisation(3, "acme")
        self.identity.load(
            [self.ann, self.bob],
            [self.token(1), self.token(2)],
            [self.acme],
            [Member(3, 1, "admin"), Member(3, 2, "write")],
        )

    def token(self, user: int, number: int | None = None, **facts: Any) -> Token:
        secret = ("ann", "bob")[user - 1] + ("" if number is None else str(number))
        digest = Minted(secret).digest(PEPPER)
        return Token(number or user, digest, user, f"{secret}'s", facts.pop("kind", "write"), "abcd", 0, **facts)

    def tell(self, *values: Any) -> None:
        """What every process hears after a commit."""
        self.identity.apply([Change(1, NOW, "any", 0, value) for value in values])

    def caller(self, secret: str = "bob") -> Any:
        return self.identity.who(f"Bearer {secret}".encode())

    def payer(self, bill_to: str | None = None, secret: str = "bob") -> Any:
        return self.identity.payer(self.caller(secret), bill_to)
