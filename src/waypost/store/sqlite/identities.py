"""Users and tokens between their rows and the domain's values."""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from waypost.domain.callers import Grant, Limits, Token, User
from waypost.domain.endpoints import Preferences
from waypost.store.books import Change

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


def users(connection: apsw.Connection) -> list[User]:
    """Every user, oldest first."""
    return [user_of(row) for row in connection.execute(USERS + " ORDER BY id")]


def tokens(connection: apsw.Connection) -> list[Token]:
    """Every token, revoked ones too, oldest first."""
    return [token_of(row) for row in connection.execute(TOKENS + " ORDER BY id")]


def user_by(connection: apsw.Connection, number: int) -> User | None:
    """One user."""
    row = connection.execute(USERS + " WHERE id = ?", (number,)).fetchone()
    return None if row is None else user_of(row)


def token_by(connection: apsw.Connection, number: int) -> Token | None:
    """One token."""
    row = connection.execute(TOKENS + " WHERE id = ?", (number,)).fetchone()
    return None if row is None else token_of(row)


def changes_since(connection: apsw.Connection, seq: int) -> list[Change]:
    """What changed after `seq`, each with the state it is in now."""
    found = []
    rows = connection.execute("SELECT seq, at_ms, subject, subject_id FROM changes WHERE seq > ? ORDER BY seq", (seq,))
    changes: list[Any] = rows.fetchall()
    for number, at_ms, subject, subject_id in changes:
        value = user_by(connection, subject_id) if subject == "user" else token_by(connection, subject_id)
        if value is not None:
            found.append(Change(number, at_ms, subject, subject_id, value))
    return found


def last_seq(connection: apsw.Connection) -> int:
    """The newest change's number."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM changes").get)
