"""Users and tokens of a data folder: read as they are, found by what people call them, and new tokens made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from waypost.cli.data_place import DataPlace
from waypost.cli.exits import Exit, Stop
from waypost.cli.options import usage_error
from waypost.domain.callers import Token, User
from waypost.domain.tables import did_you_mean
from waypost.identity.pepper import read_pepper
from waypost.identity.tokens import mint
from waypost.store.reader import Reader
from waypost.store.visitor import Run, visit


class People(NamedTuple):
    """Everybody there is at one moment."""

    users: Sequence[User]
    tokens: Sequence[Token]

    def name_of(self, user_id: int) -> str:
        return next((user.name for user in self.users if user.id == user_id), str(user_id))

    def user(self, name: str) -> User:
        """The user of that name. Raises Stop."""
        for user in self.users:
            if user.name == name:
                return user
        near = did_you_mean(name, [user.name for user in self.users])
        raise usage_error(f"There is no user {name!r}{near}.", "`waypost users list` lists them.")

    def operator(self) -> User:
        """The first operator. Raises Stop."""
        for user in self.users:
            if user.operator:
                return user
        raise Stop(
            Exit.SETTINGS,
            "There is no user yet whose token this could be." if not self.users else "No user is an operator.",
            "Name one with --user, or make one: waypost users create NAME --operator",
        )

    def token(self, text: str, user: str | None) -> Token:
        """The token of that id, or the one live token of that name; else its last one that was. Raises Stop."""
        owner = None if user is None else self.user(user).id
        mine = [token for token in self.tokens if owner is None or token.user_id == owner]
        named = [token for token in mine if token.name == text]
        found = [token for token in named if token.revoked_at is None] or named[-1:]
        if not found and text.isascii() and text.isdecimal():
            found = [token for token in mine if token.id == int(text)]
        if not found:
            near = did_you_mean(text, [token.name for token in mine])
            raise usage_error(f"There is no token {text!r}{near}.", "`waypost tokens list` lists them.")
        if len(found) > 1:
            whose = ", ".join(f"{self.name_of(token.user_id)} (id {token.id})" for token in found)
            raise usage_error(
                f"Several users have a token {text!r}: {whose}.", "Say whose with --user, or give the id."
            )
        return found[0]


def people_in(data: DataPlace) -> People:
    """Everybody in a data folder. Raises Stop where there is none, DataError where it cannot be read."""
    if not data.folder.is_dir():
        raise Stop(
            Exit.SETTINGS,
            f"There is no data folder {data.folder}.",
            "Start `waypost serve` once, or name the folder with --data.",
        )
    with visit(*data):
        pass  # whoever owns it has brought its data to this version
    reader = Reader(*data)
    try:
        return People(reader.users(), reader.tokens())
    finally:
        reader.close()


def make_token(run: Run, folder: Path, prefix: str, wanted: dict[str, Any]) -> tuple[str, Token]:
    """A new token's secret, which goes nowhere but to who asked for it, and the token as it is kept.

    `wanted` is what `token.create` takes. Raises Problem and OSError.
    """
    minted = mint(prefix)
    made = run("token.create", wanted | {"digest": minted.digest(read_pepper(folder)), "last4": minted.last4})
    return minted.secret, made
