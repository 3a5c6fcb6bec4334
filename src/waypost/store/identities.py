"""Users and tokens between their rows and the domain's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from waypost.domain.callers import Grant, Limits, Token, User
from waypost.domain.endpoints import Preferences
from waypost.store.books import Change
from waypost.store.sql import Sql

USERS: Final = "SELECT id, name, fullname, email, operator, created_at, preferences FROM users"
TOKENS: Final = """
  SELECT id, digest, user_id, name, kind, last4, created_at, expires_at, revoked_at, last_used_at, rights FROM tokens
"""


class Rights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of a token that is stored as JSON."""

    permissions: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    limits: Limits = Limits()


_rights = msgspec.json.Decoder(Rights)
_preferences = msgspec.json.Decoder(Preferences)
_encode = msgspec.json.Encoder(order="sorted").encode


def preferences_text(preferences: Preferences) -> str:
    """Preferences as their JSON column."""
    return _encode(preferences).decode()


def rights_text(rights: Rights) -> str:
    """A token's rights as their JSON column."""
    return _encode(rights).decode()


def user_of(row: tuple[Any, ...]) -> User:
    """A user from a row of USERS."""
    number, name, fullname, email, operator, created_at, preferences = row
    return User(number, name, fullname, email, bool(operator), created_at, _preferences.decode(preferences))


def token_of(row: tuple[Any, ...]) -> Token:
    """A token from a row of TOKENS."""
    rights = _rights.decode(row[10])
    values = (*row[:10], rights.permissions, rights.grants, rights.models, rights.providers, rights.limits)
    return Token(*values)


def users(sql: Sql) -> list[User]:
    """Every user, oldest first."""
    return [user_of(row) for row in sql.rows(USERS + " ORDER BY id")]


def tokens(sql: Sql) -> list[Token]:
    """Every token, revoked ones too, oldest first."""
    return [token_of(row) for row in sql.rows(TOKENS + " ORDER BY id")]


def user_by(sql: Sql, number: int) -> User | None:
    """One user."""
    row = sql.row(USERS + " WHERE id = :id", {"id": number})
    return None if row is None else user_of(row)


def user_named(sql: Sql, name: str) -> User | None:
    """The user of that name."""
    row = sql.row(USERS + " WHERE name = :name", {"name": name})
    return None if row is None else user_of(row)


def token_by(sql: Sql, number: int) -> Token | None:
    """One token."""
    row = sql.row(TOKENS + " WHERE id = :id", {"id": number})
    return None if row is None else token_of(row)


SUBJECTS: Final[dict[str, Callable[[Sql, int], Any]]] = {"user": user_by, "token": token_by}
"""What changes are about, and how each is read."""


def changes_since(sql: Sql, seq: int) -> list[Change]:
    """What changed after `seq`, each with the state it is in now."""
    found = []
    rows = sql.rows("SELECT seq, at_ms, subject, subject_id FROM changes WHERE seq > :seq ORDER BY seq", {"seq": seq})
    for number, at_ms, subject, subject_id in rows:
        value = SUBJECTS[subject](sql, subject_id)
        if value is not None:
            found.append(Change(number, at_ms, subject, subject_id, value))
    return found


def last_seq(sql: Sql) -> int:
    """The newest change's number."""
    return int(sql.value("SELECT coalesce(max(seq), 0) FROM changes"))
