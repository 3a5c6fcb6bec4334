"""The write commands, one function each, listed in one table.

Each runs inside a savepoint of its batch's transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from waypost.domain.callers import KINDS, Grant, Limits, Token, User
from waypost.domain.endpoints import Preferences
from waypost.domain.problems import Refusal
from waypost.domain.pulse import PulseDelta
from waypost.store.sqlite.identities import Rights, preferences_text, rights_text, token_by, user_by
from waypost.store.sqlite.readings_table import save_readings

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TOKEN_NAME_LENGTH_MAX: Final = 64
TEXT_LENGTHS_MAX: Final = {"fullname": 200, "email": 254}


class UserArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of user.create and user.update; None leaves a field as it is."""

    name: str
    fullname: str | None = None
    email: str | None = None
    operator: bool | None = None
    preferences: Preferences | None = None


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


class PulseArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of pulse.save."""

    readings: list[PulseDelta]


class Desk:
    """What a command works with: the write connection, the time, and the list of what it changed."""

    def __init__(self, connection: apsw.Connection, now_ms: int) -> None:
        self.connection = connection
        self.now_ms = now_ms

    def changed(self, subject: str, number: int) -> None:
        """Write the change's row, in the transaction that makes the change."""
        self.connection.execute(
            "INSERT INTO changes (at_ms, subject, subject_id) VALUES (?, ?, ?)", (self.now_ms, subject, number)
        )

    def user(self, name: str) -> User:
        """The user of that name, or a refusal."""
        number = self.connection.execute("SELECT id FROM users WHERE name = ?", (name,)).get
        found = None if number is None else user_by(self.connection, number)
        if found is None:
            raise invalid("user", f"There is no user named {name!r}.", fix="List them with `waypost users`.")
        return found


def invalid(param: str, message: str, *, why: str = "", fix: str = "") -> Refusal:
    """The refusal of a command's argument."""
    return Refusal("invalid_request", message, why=why, fix=fix, param=param)


def create_user(desk: Desk, args: UserArgs) -> User:
    """A new user; names are unique."""
    if not NAME.fullmatch(args.name):
        raise invalid(
            "name",
            f"{args.name[:64]!r} cannot be a user's name.",
            fix="Use 1 to 64 of a-z, 0-9, '-', '_' and '.', beginning with a letter or digit.",
        )
    _check_texts(args)
    if desk.connection.execute("SELECT 1 FROM users WHERE name = ?", (args.name,)).get:
        raise invalid("name", f"There is already a user named {args.name!r}.", fix="Choose another name.")
    number = desk.connection.execute(
        "INSERT INTO users (name, fullname, email, operator, created_at, preferences) VALUES (?, ?, ?, ?, ?, ?)"
        " RETURNING id",
        (
            args.name,
            args.fullname or "",
            args.email or "",
            int(args.operator or False),
            desk.now_ms,
            preferences_text(args.preferences or Preferences()),
        ),
    ).get
    desk.changed("user", number)
    return desk.user(args.name)


def update_user(desk: Desk, args: UserArgs) -> User:
    """Change what is given of a user."""
    number = desk.user(args.name).id
    _check_texts(args)
    desk.connection.execute(
        "UPDATE users SET fullname = coalesce(:fullname, fullname), email = coalesce(:email, email),"
        " operator = coalesce(:operator, operator), preferences = coalesce(:preferences, preferences) WHERE id = :id",
        {
            "id": number,
            "fullname": args.fullname,
            "email": args.email,
            "operator": None if args.operator is None else int(args.operator),
            "preferences": None if args.preferences is None else preferences_text(args.preferences),
        },
    )
    desk.changed("user", number)
    return desk.user(args.name)


def create_token(desk: Desk, args: TokenArgs) -> Token:
    """A new token; a user's live tokens have different names."""
    user = desk.user(args.user)
    name = args.name.strip()
    if not 0 < len(name) <= TOKEN_NAME_LENGTH_MAX or not name.isprintable():
        raise invalid("name", "A token's name is 1 to 64 printable characters.", fix="Choose a shorter, plain name.")
    if args.kind not in KINDS:
        raise invalid("kind", f"{args.kind!r} is no kind of token.", fix=f"Use one of {', '.join(KINDS)}.")
    taken = "SELECT 1 FROM tokens WHERE user_id = ? AND name = ? AND revoked_at IS NULL"
    if desk.connection.execute(taken, (user.id, name)).get:
        raise invalid(
            "name",
            f"User {user.name!r} already has a token named {name!r}.",
            fix="Choose another name, or revoke that token first.",
        )
    rights = Rights(args.permissions, args.grants, args.models, args.providers, args.limits)
    number = desk.connection.execute(
        "INSERT INTO tokens (digest, user_id, name, kind, last4, created_at, expires_at, rights)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (args.digest, user.id, name, args.kind, args.last4, desk.now_ms, args.expires_at, rights_text(rights)),
    ).get
    desk.changed("token", number)
    return _token(desk, number)


def revoke_token(desk: Desk, args: RevokeArgs) -> Token:
    """Make a token invalid for good. Revoking twice is revoking once."""
    token = _token(desk, args.id)
    if token.revoked_at is not None:
        return token
    desk.connection.execute("UPDATE tokens SET revoked_at = ? WHERE id = ?", (desk.now_ms, args.id))
    desk.changed("token", args.id)
    return _token(desk, args.id)


def note_used(desk: Desk, args: UsedArgs) -> None:
    """Remember when tokens were last used. No change row: nobody decides by it."""
    for number, used_at in args.uses.items():
        desk.connection.execute(
            "UPDATE tokens SET last_used_at = :at WHERE id = :id AND coalesce(last_used_at, 0) < :at",
            {"at": used_at, "id": number},
        )


def save_pulse(desk: Desk, args: PulseArgs) -> None:
    """Keep endpoint readings for the next start."""
    save_readings(desk.connection, args.readings, desk.now_ms)


def _token(desk: Desk, number: int) -> Token:
    found = token_by(desk.connection, number)
    if found is None:
        raise invalid("id", f"There is no token {number}.", fix="List them with `waypost tokens`.")
    return found


def _check_texts(args: UserArgs) -> None:
    for field, length_max in TEXT_LENGTHS_MAX.items():
        if len(getattr(args, field) or "") > length_max:
            raise invalid(field, f"{field} is longer than {length_max} characters.", fix="Shorten it.")


class Command(NamedTuple):
    """A command's arguments, and the function that does it."""

    args: type[Any]
    run: Callable[[Desk, Any], Any]


COMMANDS: Final = {
    "user.create": Command(UserArgs, create_user),
    "user.update": Command(UserArgs, update_user),
    "token.create": Command(TokenArgs, create_token),
    "token.revoke": Command(RevokeArgs, revoke_token),
    "token.used": Command(UsedArgs, note_used),
    "pulse.save": Command(PulseArgs, save_pulse),
}


def run_command(desk: Desk, name: str, args: dict[str, Any]) -> Any:
    """Run a command in a savepoint, so that its failure undoes only itself. Raises Problem."""
    command = COMMANDS.get(name)
    if command is None:
        raise invalid("command", f"There is no command {name!r}.", fix=f"Known: {', '.join(COMMANDS)}.")
    try:
        parsed = msgspec.convert(args, command.args, strict=True, from_attributes=True)
    except msgspec.ValidationError as error:
        raise invalid("args", f"The arguments of {name} do not fit.", why=str(error)) from None
    try:
        with desk.connection:
            return command.run(desk, parsed)
    except apsw.ConstraintError as error:
        raise invalid("args", f"The arguments of {name} cannot be stored.", why=str(error)) from None
