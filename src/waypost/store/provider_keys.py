"""Own keys of users and organisations, sealed: the commands that set, remove and seal them anew."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from waypost.domain.kinds import SLUG
from waypost.domain.own_keys import ProviderKey
from waypost.domain.problems import Refusal
from waypost.store.desk import Command, Commands, Desk, invalid
from waypost.store.sql import Sql

KEYS: Final = "SELECT id, owner, provider, label, base_url, sealed, last4, created_at FROM provider_keys"
LABEL_LENGTH_MAX: Final = 64
LAST_LENGTH_MAX: Final = 4
SEALED_BYTES_MAX: Final = 8192
BASE_URL_LENGTH_MAX: Final = 2048
OWNERS: Final = {
    "user": "SELECT 1 FROM users WHERE id = :id",
    "org": "SELECT 1 FROM organisations WHERE id = :id",
}
"""By what stands before the colon of an account."""


class KeyArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of key.set."""

    owner: str
    provider: str
    label: str
    base_url: str
    sealed: bytes
    last4: str


class WhoseArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of key.remove."""

    owner: str
    provider: str


class ResealArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of key.reseal."""

    id: int
    was: bytes
    sealed: bytes


def set_key(desk: Desk, args: KeyArgs) -> ProviderKey:
    """The owner's key for a provider, in place of the one before it."""
    _check(desk, args)
    number = desk.sql.value(
        "INSERT INTO provider_keys (owner, provider, label, base_url, sealed, last4, created_at)"
        " VALUES (:owner, :provider, :label, :base_url, :sealed, :last4, :now)"
        " ON CONFLICT (owner, provider) DO UPDATE SET label = excluded.label, base_url = excluded.base_url,"
        " sealed = excluded.sealed, last4 = excluded.last4, created_at = excluded.created_at RETURNING id",
        {
            "owner": args.owner,
            "provider": args.provider,
            "label": args.label,
            "base_url": args.base_url,
            "sealed": args.sealed,
            "last4": args.last4,
            "now": desk.now_ms,
        },
    )
    desk.changed("provider_key", number)
    return _key(desk, number)


def remove_key(desk: Desk, args: WhoseArgs) -> ProviderKey:
    """Forget a key. Its row stays without it, so that every process hears of it."""
    number = desk.sql.value(
        "UPDATE provider_keys SET sealed = NULL, last4 = ''"
        " WHERE owner = :owner AND provider = :provider AND sealed IS NOT NULL RETURNING id",
        {"owner": args.owner, "provider": args.provider},
    )
    if number is None:
        raise Refusal(
            "not_found",
            f"There is no own key for provider {args.provider[:64]!r}.",
            why="none was set, or it was removed already",
            fix="List those there are.",
        )
    desk.changed("provider_key", number)
    return _key(desk, number)


def reseal_key(desk: Desk, args: ResealArgs) -> bool:
    """The same key under another one of ours; False where it was set anew meanwhile."""
    _check_sealed(args.sealed)
    changed = desk.sql.run(
        "UPDATE provider_keys SET sealed = :sealed WHERE id = :id AND sealed = :was",
        {"id": args.id, "sealed": args.sealed, "was": args.was},
    )
    if changed:
        desk.changed("provider_key", args.id)
    return bool(changed)


def key_of_row(row: tuple[Any, ...]) -> ProviderKey:
    """A key from a row of KEYS."""
    number, owner, provider, label, base_url, sealed, last4, created_at = row
    return ProviderKey(
        number, owner, provider, label, base_url, None if sealed is None else bytes(sealed), last4, created_at
    )


def provider_keys(sql: Sql, owner: str | None = None) -> list[ProviderKey]:
    """Every key that was not removed, or those of one owner, by owner and provider."""
    if owner is None:
        rows = sql.rows(KEYS + " WHERE sealed IS NOT NULL ORDER BY owner, provider")
    else:
        rows = sql.rows(KEYS + " WHERE owner = :owner AND sealed IS NOT NULL ORDER BY provider", {"owner": owner})
    return [key_of_row(row) for row in rows]


def provider_key_by(sql: Sql, number: int) -> ProviderKey | None:
    """One key, also one that was removed."""
    row = sql.row(KEYS + " WHERE id = :id", {"id": number})
    return None if row is None else key_of_row(row)


def _key(desk: Desk, number: int) -> ProviderKey:
    found = provider_key_by(desk.sql, number)
    if found is None:
        raise LookupError(f"provider key {number} is not there")
    return found


def _check(desk: Desk, args: KeyArgs) -> None:
    kind, _, number = args.owner.partition(":")
    exists = OWNERS.get(kind)
    if exists is None or not number.isdecimal() or desk.sql.value(exists, {"id": int(number)}) is None:
        raise invalid("owner", f"There is no account {args.owner[:64]!r} that could have a key.")
    if not SLUG.match(args.provider):
        raise invalid("provider", f"{args.provider[:64]!r} is no provider's slug.")
    if not 0 < len(args.label) <= LABEL_LENGTH_MAX or not args.label.isprintable():
        raise invalid("label", "A key's label is 1 to 64 printable characters.", fix="Choose a shorter, plain label.")
    if not 0 < len(args.base_url) <= BASE_URL_LENGTH_MAX or len(args.last4) > LAST_LENGTH_MAX:
        raise invalid("base_url", "The provider's address, or the key's last characters, are too long.")
    _check_sealed(args.sealed)


def _check_sealed(sealed: bytes) -> None:
    if not 0 < len(sealed) <= SEALED_BYTES_MAX:
        raise invalid("sealed", f"A sealed key is at most {SEALED_BYTES_MAX} bytes.")


COMMANDS: Final[Commands] = {
    "key.set": Command(KeyArgs, set_key),
    "key.remove": Command(WhoseArgs, remove_key),
    "key.reseal": Command(ResealArgs, reseal_key),
}
