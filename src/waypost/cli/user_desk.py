"""`waypost users`: through the owner while a server runs, else straight into the data folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import msgspec

from waypost.cli.amounts import exact_usd, iso_of, limit_of, local_time
from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.data_place import data_at, data_of
from waypost.cli.known_names import require_providers
from waypost.cli.options import Call, usage_error
from waypost.cli.people import people_in
from waypost.cli.screen import plain
from waypost.cli.whereabouts import settings_at
from waypost.domain.callers import User
from waypost.domain.endpoints import Preferences
from waypost.domain.kinds import SLUG
from waypost.settings import Settings
from waypost.store.visitor import visit

Row = dict[str, Any]


def show_users(call: Call) -> None:
    """Everybody."""
    people = people_in(data_at(call.where))
    live = [token.user_id for token in people.tokens if token.revoked_at is None]
    rows = [as_json(user) | {"tokens": live.count(user.id)} for user in people.users]
    show_list(call.screen, rows, COLUMNS, "There is nobody yet; `waypost serve` makes the first user.")


def show_user(call: Call, name: str) -> None:
    """One user."""
    row = as_json(people_in(data_at(call.where)).user(name))
    show_one(call.screen, row, facts(row))


def create_user(call: Call, name: str, *, force: bool, **fields: Any) -> None:
    """A new user."""
    settings = settings_at(call.where)
    if not force:
        _require_known(call, settings, fields)
    beginning = Preferences(default_policy=settings.routing.default_policy)
    args = {"name": name, **_said(fields, beginning)}
    settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with visit(*data_of(settings)) as run:
        row = as_json(run("user.create", args))
    _show_done(call, row, "is made")
    call.screen.hint(f"waypost tokens create NAME --user {plain(name)}")


def change_user(call: Call, name: str, *, force: bool, **fields: Any) -> None:
    """Other words about a user."""
    if all(value is None for value in fields.values()):
        raise usage_error("There is nothing to change.", "`waypost users set --help` lists what can be.")
    settings = settings_at(call.where)
    data = data_of(settings)
    before = people_in(data).user(name)
    if not force:
        _require_known(call, settings, fields)
    with visit(*data) as run:
        row = as_json(run("user.update", {"name": name, **_said(fields, before.preferences)}))
    _show_done(call, row, "is changed")


def _require_known(call: Call, settings: Settings, fields: dict[str, Any]) -> None:
    """Only what was said is looked at: what was stored before may name a provider that is gone since."""
    for option in ("order", "disabled"):
        require_providers(call.where, settings, f"--{option}", _slugs(option, fields[option]) or ())


def _show_done(call: Call, row: Row, what: str) -> None:
    if call.screen.human:
        call.screen.note(f"User {plain(row['name'])} {what}.")
    show_one(call.screen, row, facts(row))


def _said(fields: dict[str, Any], before: Preferences) -> Row:
    """What the store is told: fields that were given, and the whole of the preferences where one of them was."""
    changes = {
        "default_policy": fields["policy"],
        "order": _slugs("order", fields["order"]),
        "disabled": _slugs("disabled", fields["disabled"]),
        "preferred_only": fields["preferred_only"],
    }
    given = {name: value for name, value in changes.items() if value is not None}
    args = {name: fields[name] for name in ("fullname", "email", "operator") if fields[name] is not None}
    spending = limit_of(fields["spending_limit"], "--spending-limit")
    if spending:
        args["spending_limit"] = spending["limit"]
    if given:
        if "disabled" in given:
            given["disabled"] = frozenset(given["disabled"])
        args["preferences"] = msgspec.to_builtins(replace(before, **given))
    return args


def _slugs(option: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    slugs = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for slug in slugs:
        if not SLUG.match(slug):
            raise usage_error(f"--{option}: {slug!r} is no provider's slug.", "Write slugs with commas between them.")
    return slugs


def as_json(user: User) -> Row:
    """A user as programs read it."""
    wants = user.preferences
    return {
        "id": user.id,
        "name": user.name,
        "fullname": user.fullname,
        "email": user.email,
        "operator": user.operator,
        "created_at": iso_of(user.created_at),
        "default_policy": wants.default_policy,
        "order": list(wants.order),
        "disabled": sorted(wants.disabled),
        "preferred_only": wants.preferred_only,
        "spending_limit_nano_usd": user.spending_limit,
    }


def facts(row: Row) -> list[tuple[str, Any]]:
    """A user as people read it."""
    return [
        ("name", row["name"]),
        ("id", row["id"]),
        ("full name", row["fullname"]),
        ("email", row["email"]),
        ("operator", row["operator"]),
        ("created", local_time(row["created_at"])),
        ("policy", row["default_policy"]),
        ("order", _listed(row["order"])),
        ("disabled", _listed(row["disabled"])),
        ("preferred only", row["preferred_only"]),
        ("spending limit", _limit(row["spending_limit_nano_usd"])),
    ]


def _limit(nano_usd: int | None) -> str:
    return "none" if nano_usd is None else f"{exact_usd(nano_usd)} a month"


def _listed(slugs: Collection[str]) -> str:
    return ", ".join(slugs) or "none"


COLUMNS: Final = (
    Column("NAME", lambda row: row["name"], flex=True),
    Column("ID", lambda row: row["id"], right=True),
    Column("OPERATOR", lambda row: row["operator"]),
    Column("TOKENS", lambda row: row["tokens"], right=True),
    Column("POLICY", lambda row: row["default_policy"], key="default_policy"),
    Column("ORDER", lambda row: row["order"], _listed, flex=True),
    Column("CREATED", lambda row: row["created_at"], local_time, key="created_at"),
    Column("FULL NAME", lambda row: row["fullname"], flex=True, optional=True, key="fullname"),
    Column("EMAIL", lambda row: row["email"], flex=True, optional=True),
)
