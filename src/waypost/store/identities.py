"""Users, tokens, organisations and members between their rows and the domain's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from waypost.domain.callers import Grant, Limits, Token, User
from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Member, Organisation, Rules
from waypost.store.books import Change
from waypost.store.provider_keys import provider_key_by
from waypost.store.sql import Sql

USERS: Final = "SELECT id, name, fullname, email, operator, created_at, preferences, spending_limit FROM users"
TOKENS: Final = """
  SELECT id, digest, user_id, name, kind, last4, created_at, expires_at, revoked_at, last_used_at, rights FROM tokens
"""
ORGANISATIONS: Final = """
  SELECT id, name, fullname, created_at, spending_limit, member_spending_limit, included, preferences, rules
  FROM organisations
"""
MEMBERS: Final = "SELECT organisation_id, user_id, role, spending_limit, added_at, removed_at FROM members"


class Rights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of a token that is stored as JSON."""

    permissions: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    limits: Limits = Limits()


_rights = msgspec.json.Decoder(Rights)
_preferences = msgspec.json.Decoder(Preferences)
_rules = msgspec.json.Decoder(Rules)
_encode = msgspec.json.Encoder(order="sorted").encode


def preferences_text(preferences: Preferences) -> str:
    """Preferences as their JSON column."""
    return _encode(preferences).decode()


def rights_text(rights: Rights) -> str:
    """A token's rights as their JSON column."""
    return _encode(rights).decode()


def rules_text(rules: Rules) -> str:
    """An organisation's rules as their JSON column."""
    return _encode(rules).decode()


def user_of(row: tuple[Any, ...]) -> User:
    """A user from a row of USERS."""
    number, name, fullname, email, operator, created_at, preferences, limit = row
    return User(number, name, fullname, email, bool(operator), created_at, _preferences.decode(preferences), limit)


def token_of(row: tuple[Any, ...]) -> Token:
    """A token from a row of TOKENS."""
    rights = _rights.decode(row[10])
    values = (*row[:10], rights.permissions, rights.grants, rights.models, rights.providers, rights.limits)
    return Token(*values)


def organisation_of(row: tuple[Any, ...]) -> Organisation:
    """An organisation from a row of ORGANISATIONS."""
    values = (*row[:7], _preferences.decode(row[7]), _rules.decode(row[8]))
    return Organisation(*values)


def users(sql: Sql) -> list[User]:
    """Every user, oldest first."""
    return [user_of(row) for row in sql.rows(USERS + " ORDER BY id")]


def tokens(sql: Sql) -> list[Token]:
    """Every token, revoked ones too, oldest first."""
    return [token_of(row) for row in sql.rows(TOKENS + " ORDER BY id")]


def organisations(sql: Sql) -> list[Organisation]:
    """Every organisation, oldest first."""
    return [organisation_of(row) for row in sql.rows(ORGANISATIONS + " ORDER BY id")]


def members(sql: Sql) -> list[Member]:
    """Everybody who is in an organisation, in the order in which they first joined."""
    return [Member(*row) for row in sql.rows(MEMBERS + " WHERE removed_at IS NULL ORDER BY id")]


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


def organisation_by(sql: Sql, number: int) -> Organisation | None:
    """One organisation."""
    row = sql.row(ORGANISATIONS + " WHERE id = :id", {"id": number})
    return None if row is None else organisation_of(row)


def organisation_named(sql: Sql, name: str) -> Organisation | None:
    """The organisation of that name."""
    row = sql.row(ORGANISATIONS + " WHERE name = :name", {"name": name})
    return None if row is None else organisation_of(row)


def member_by(sql: Sql, number: int) -> Member | None:
    """The member of that row, who may have left."""
    row = sql.row(MEMBERS + " WHERE id = :id", {"id": number})
    return None if row is None else Member(*row)


def member_of(sql: Sql, organisation: int, user: int) -> Member | None:
    """What a user is in an organisation, or was."""
    wanted = {"organisation": organisation, "user": user}
    row = sql.row(MEMBERS + " WHERE organisation_id = :organisation AND user_id = :user", wanted)
    return None if row is None else Member(*row)


SUBJECTS: Final[dict[str, Callable[[Sql, int], Any]]] = {
    "user": user_by,
    "token": token_by,
    "organisation": organisation_by,
    "member": member_by,
    "provider_key": provider_key_by,
}
"""What changes are about, and how each is read."""


def changes_since(sql: Sql, seq: int) -> list[Change]:
    """What changed after `seq`, each with the state it is in now."""
    found = []
    rows = sql.rows("SELECT seq, at_ms, subject, subject_id FROM changes WHERE seq > :seq ORDER BY seq", {"seq": seq})
    for number, at_ms, subject, subject_id in rows:
        read = SUBJECTS.get(subject)
        value = None if read is None else read(sql, subject_id)
        if value is not None:
            found.append(Change(number, at_ms, subject, subject_id, value))
    return found


def last_seq(sql: Sql) -> int:
    """The newest change's number."""
    return int(sql.value("SELECT coalesce(max(seq), 0) FROM changes"))
