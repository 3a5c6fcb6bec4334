"""Users and tokens: the commands that make, change and revoke them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from waypost.domain.callers import KINDS, Grant, Limits, Token, User
from waypost.domain.endpoints import Preferences
from waypost.store.desk import Command, Commands, Desk, check_amount, invalid
from waypost.store.identities import Rights, preferences_text, rights_text, token_by, user_named
from waypost.store.namespace import require_free_name
from waypost.store.spending import count_spending

TOKEN_NAME_LENGTH_MAX: Final = 64
TEXT_LENGTHS_MAX: Final = {"fullname": 200, "email": 254}


class UserArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of user.create and user.update; None leaves a field as it is."""

    name: str
    fullname: str | None = None
    email: str | None = None
    operator: bool | None = None
    preferences: Preferences | None = None
    spending_limit: int | UnsetType | None = UNSET
    """Nano-USD a month; None is no limit, and what is left out stays as it is."""


class TokenArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of token.create: everything but the secret."""

    user: str
    name: str
    kind: str
    digest: bytes
    last4: str
    expires_at: int | None = None
    permissions: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    limits: Limits = Limits()


class RevokeArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of token.revoke."""

    id: int


class UsedArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of token.used: token id → Unix milliseconds."""

    uses: dict[int, int]


def create_user(desk: Desk, args: UserArgs) -> User:
    """A new user; users and organisations all have different names."""
    require_free_name(desk, args.name, "user")
    _check(args)
    number = desk.sql.value(
        "INSERT INTO users (name, fullname, email, operator, created_at, preferences, spending_limit)"
        " VALUES (:name, :fullname, :email, :operator, :now, :preferences, :limit) RETURNING id",
        {
            "name": args.name,
            "fullname": args.fullname or "",
            "email": args.email or "",
            "operator": int(args.operator or False),
            "now": desk.now_ms,
            "preferences": preferences_text(args.preferences or Preferences()),
            "limit": None if args.spending_limit is UNSET else args.spending_limit,
        },
    )
    desk.changed("user", number)
    return user_of_name(desk, args.name)


def update_user(desk: Desk, args: UserArgs) -> User:
    """Change what is given of a user."""
    now = user_of_name(desk, args.name)
    number = now.id
    _check(args)
    desk.sql.run(
        "UPDATE users SET fullname = coalesce(:fullname, fullname), email = coalesce(:email, email),"
        " operator = coalesce(:operator, operator), preferences = coalesce(:preferences, preferences),"
        " spending_limit = :limit WHERE id = :id",
        {
            "id": number,
            "fullname": args.fullname,
            "email": args.email,
            "operator": None if args.operator is None else int(args.operator),
            "preferences": None if args.preferences is None else preferences_text(args.preferences),
            "limit": now.spending_limit if args.spending_limit is UNSET else args.spending_limit,
        },
    )
    if isinstance(args.spending_limit, int):
        count_spending(desk, f"user:{number}")
    desk.changed("user", number)
    return user_of_name(desk, args.name)


def create_token(desk: Desk, args: TokenArgs) -> Token:
    """A new token; a user's live tokens have different names."""
    user = user_of_name(desk, args.user)
    name = args.name.strip()
    if not 0 < len(name) <= TOKEN_NAME_LENGTH_MAX or not name.isprintable():
        raise invalid("name", "A token's name is 1 to 64 printable characters.", fix="Choose a shorter, plain name.")
    if args.kind not in KINDS:
        raise invalid("kind", f"{args.kind!r} is no kind of token.", fix=f"Use one of {', '.join(KINDS)}.")
    taken = "SELECT 1 FROM tokens WHERE user_id = :user AND name = :name AND revoked_at IS NULL"
    if desk.sql.value(taken, {"user": user.id, "name": name}):
        raise invalid(
            "name",
            f"User {user.name!r} already has a token named {name!r}.",
            fix="Choose another name, or revoke that token first.",
        )
    rights = Rights(args.permissions, args.grants, args.models, args.providers, args.limits)
    number = desk.sql.value(
        "INSERT INTO tokens (digest, user_id, name, kind, last4, created_at, expires_at, rights)"
        " VALUES (:digest, :user, :name, :kind, :last4, :now, :expires_at, :rights) RETURNING id",
        {
            "digest": args.digest,
            "user": user.id,
            "name": name,
            "kind": args.kind,
            "last4": args.last4,
            "now": desk.now_ms,
            "expires_at": args.expires_at,
            "rights": rights_text(rights),
        },
    )
    desk.changed("token", number)
    return _token(desk, number)


def revoke_token(desk: Desk, args: RevokeArgs) -> Token:
    """Make a token invalid for good. Revoking twice is revoking once."""
    token = _token(desk, args.id)
    if token.revoked_at is not None:
        return token
    desk.sql.run("UPDATE tokens SET revoked_at = :now WHERE id = :id", {"now": desk.now_ms, "id": args.id})
    desk.changed("token", args.id)
    return _token(desk, args.id)


def note_used(desk: Desk, args: UsedArgs) -> None:
    """Remember when tokens were last used. No change row: nobody decides by it."""
    for number, used_at in args.uses.items():
        desk.sql.run(
            "UPDATE tokens SET last_used_at = :at WHERE id = :id AND coalesce(last_used_at, 0) < :at",
            {"at": used_at, "id": number},
        )


def user_of_name(desk: Desk, name: str) -> User:
    """The user of that name, or a refusal."""
    found = user_named(desk.sql, name)
    if found is None:
        raise invalid("user", f"There is no user named {name!r}.", fix="List them with `waypost users`.")
    return found


def _token(desk: Desk, number: int) -> Token:
    found = token_by(desk.sql, number)
    if found is None:
        raise invalid("id", f"There is no token {number}.", fix="List them with `waypost tokens`.")
    return found


def _check(args: UserArgs) -> None:
    check_amount("spending_limit", args.spending_limit)
    for field, length_max in TEXT_LENGTHS_MAX.items():
        if len(getattr(args, field) or "") > length_max:
            raise invalid(field, f"{field} is longer than {length_max} characters.", fix="Shorten it.")


COMMANDS: Final[Commands] = {
    "user.create": Command(UserArgs, create_user),
    "user.update": Command(UserArgs, update_user),
    "token.create": Command(TokenArgs, create_token),
    "token.revoke": Command(RevokeArgs, revoke_token),
    "token.used": Command(UsedArgs, note_used),
}
