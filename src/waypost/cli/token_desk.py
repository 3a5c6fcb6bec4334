"""`waypost tokens`: through the owner while a server runs, else straight into the data folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from waypost.cli.amounts import exact_usd, iso_of, later_ms, limit_of, local_time
from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.data_place import data_at, data_of
from waypost.cli.known_names import require_models, require_providers
from waypost.cli.options import Call, usage_error
from waypost.cli.people import People, make_token, people_in
from waypost.cli.screen import plain
from waypost.cli.whereabouts import settings_at
from waypost.domain.callers import INFERENCE, Limits, Token
from waypost.store.visitor import visit

LIVE: Final = "live"
Row = dict[str, Any]


def show_tokens(call: Call, user: str | None, *, everything: bool) -> None:
    """Every token, or those that can be used."""
    people = people_in(data_at(call.where))
    if user is not None:
        people.user(user)
    rows = [as_json(token, people) for token in people.tokens]
    wanted = [row for row in rows if (user is None or row["user"] == user) and (everything or row["state"] == LIVE)]
    show_list(call.screen, wanted, COLUMNS, "There is no such token; `waypost tokens create NAME` makes one.")


def create_token(call: Call, name: str, user: str | None, *, force: bool, **wishes: Any) -> None:
    """A new token, whose secret is shown this once. One for a model that was misspelt would open no door."""
    settings = settings_at(call.where)
    data = data_of(settings)
    people = people_in(data)
    owner = people.user(user) if user is not None else people.operator()
    wanted = {"user": owner.name, "name": name, **_rights(wishes)}
    if not force:
        require_models(call.where, settings, "--model", wishes["models"])
        require_providers(call.where, settings, "--provider", wishes["providers"])
    with visit(*data) as run:
        secret, token = make_token(run, data.folder, settings.tokens.prefix, wanted)
    _show_new(call, secret, as_json(token, people))


def _show_new(call: Call, secret: str, row: Row) -> None:
    screen = call.screen
    if screen.style == "json":
        screen.json(row | {"secret": secret})
    elif screen.style == "quiet":
        screen.out(secret)
    elif screen.style == "tsv":
        screen.rows({"secret": secret, **row}.items())
    else:
        screen.note(f"Token {plain(row['name'])!r} of user {plain(row['user'])}. It is shown this once; keep it:\n")
        screen.out(f"  {screen.bold(secret)}")
        screen.note("")
        screen.hint("export WAYPOST_TOKEN=… with it, or show it as `Authorization: Bearer …`")


def show_token(call: Call, which: str, user: str | None) -> None:
    """One token."""
    people = people_in(data_at(call.where))
    row = as_json(people.token(which, user), people)
    show_one(call.screen, row, facts(row))


def revoke_token(call: Call, which: str, user: str | None) -> None:
    """Invalid for good, in every worker, when this returns."""
    data = data_at(call.where)
    people = people_in(data)
    number = people.token(which, user).id
    with visit(*data) as run:
        revoked: Token = run("token.revoke", {"id": number})
    row = as_json(revoked, people)
    if call.screen.human:
        call.screen.out(f"Token {plain(row['name'])!r} (id {row['id']}) of user {plain(row['user'])} is revoked.")
    else:
        show_one(call.screen, row, facts(row))


def _rights(wishes: dict[str, Any]) -> Row:
    """What `token.create` is told about what the token may do."""
    kind, permissions = wishes["kind"], list(wishes["permissions"])
    if kind != "fineGrained" and permissions:
        raise usage_error(f"--permission means nothing to a token of the kind {kind}.", "Leave one of them out.")
    if kind == "fineGrained":
        permissions = permissions or [INFERENCE]
    spending = limit_of(wishes["spending_limit"], "--spending-limit").get("limit")
    limits = Limits(wishes["requests_per_minute"], wishes["tokens_per_minute"], wishes["streams_at_once"], spending)
    return {
        "kind": kind,
        "permissions": permissions,
        "expires_at": later_ms(wishes["expires"], "--expires"),
        "models": list(wishes["models"]) or None,
        "providers": list(wishes["providers"]) or None,
        "limits": {name: getattr(limits, name) for name in Limits.__dataclass_fields__},
    }


def as_json(token: Token, people: People) -> Row:
    """A token as programs read it; there is no secret in it."""
    limits = {name: getattr(token.limits, name) for name in Limits.__dataclass_fields__}
    return {
        "id": token.id,
        "name": token.name,
        "user": people.name_of(token.user_id),
        "kind": token.kind,
        "permissions": sorted(token.permissions),
        "state": _state(token),
        "last4": token.last4,
        "created_at": iso_of(token.created_at),
        "expires_at": iso_of(token.expires_at),
        "revoked_at": iso_of(token.revoked_at),
        "last_used_at": iso_of(token.last_used_at),
        "models": None if token.models is None else sorted(token.models),
        "providers": None if token.providers is None else sorted(token.providers),
        "limits": {name: limit for name, limit in limits.items() if limit is not None},
    }


def _state(token: Token) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC).timestamp() * 1000:
        return "expired"
    return LIVE


def facts(row: Row) -> list[tuple[str, Any]]:
    """A token as people read it."""
    limits = ", ".join(_limit(name, limit) for name, limit in row["limits"].items())
    return [
        ("id", row["id"]),
        ("name", row["name"]),
        ("user", row["user"]),
        ("state", row["state"]),
        ("kind", row["kind"]),
        ("permissions", row["permissions"] or None),
        ("ends in", f"…{row['last4']}"),
        ("created", local_time(row["created_at"])),
        ("expires", local_time(row["expires_at"]) if row["expires_at"] else "never"),
        ("revoked", local_time(row["revoked_at"]) if row["revoked_at"] else None),
        ("last used", local_time(row["last_used_at"]) if row["last_used_at"] else "never"),
        ("models", "all" if row["models"] is None else row["models"]),
        ("providers", "all" if row["providers"] is None else row["providers"]),
        ("limits", limits or "none"),
    ]


def _limit(name: str, limit: int) -> str:
    if name == "spending_nano_usd_per_month":
        return f"{exact_usd(limit)} a month"
    return f"{limit:,} {name.replace('_', ' ')}"


COLUMNS: Final = (
    Column("ID", lambda row: row["id"], right=True),
    Column("NAME", lambda row: row["name"], flex=True),
    Column("USER", lambda row: row["user"], flex=True),
    Column("KIND", lambda row: row["kind"], spare=3),
    Column("ENDS IN", lambda row: row["last4"]),
    Column("STATE", lambda row: row["state"]),
    Column("CREATED", lambda row: row["created_at"], local_time, key="created_at", spare=4),
    Column("EXPIRES", lambda row: row["expires_at"], local_time, key="expires_at", spare=1),
    Column("LAST USED", lambda row: row["last_used_at"], local_time, key="last_used_at", spare=2),
)
