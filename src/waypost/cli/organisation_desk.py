"""`waypost orgs`: through the owner while a server runs, else straight into the data folder."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from waypost.cli.amounts import exact_usd, iso_of, limit_of, local_time
from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.holders import Books, books_at
from waypost.cli.known_names import require_models, require_providers
from waypost.cli.options import Call, usage_error
from waypost.cli.screen import plain
from waypost.domain.payers import Member, Organisation, Rules
from waypost.store.rosters import Place, roster
from waypost.store.visitor import visit

ALL: Final = "all"
LISTS: Final = ("models", "disabled_models", "providers")
LIMITS: Final = {
    "spending_limit": "spending_limit",
    "member_limit": "member_spending_limit",
    "included": "included",
}
"""Option → field."""
Row = dict[str, Any]


def create(call: Call, name: str, admin: str | None, **fields: Any) -> None:
    """A new organisation."""
    with books_at(call.where) as books:
        first = admin or next((user.name for user in books.reader.users() if user.operator), None)
        wanted = {"name": name, **({"admin": first} if first else {}), **_said(call, books, fields, Rules())}
        with visit(*books.place) as run:
            made: Organisation = run("org.create", wanted)
    _show_done(call, as_json(made), "is made")
    if first is None:
        call.screen.hint(f"waypost orgs add-member {plain(name)} USER --role admin")
    call.screen.hint(f"waypost credits grant {plain(name)} USD")


def change(call: Call, name: str, **fields: Any) -> None:
    """Other words about an organisation."""
    if all(value is None for option, value in fields.items() if option != "force"):
        raise usage_error("There is nothing to change.", "`waypost orgs set --help` lists what can be.")
    with books_at(call.where) as books:
        now = books.organisation(name)
        wanted = {"name": name, **_said(call, books, fields, now.rules)}
        with visit(*books.place) as run:
            changed: Organisation = run("org.update", wanted)
    _show_done(call, as_json(changed), "is changed")


def show_all(call: Call) -> None:
    """Every organisation."""
    with books_at(call.where) as books:
        rows = [as_json(one) for one in books.reader.organisations()]
    show_list(call.screen, rows, COLUMNS, "There is no organisation; `waypost orgs create NAME` makes one.")


def show(call: Call, name: str) -> None:
    """One organisation."""
    with books_at(call.where) as books:
        row = as_json(books.organisation(name))
    show_one(call.screen, row, facts(row))


def show_members(call: Call, name: str) -> None:
    """Who is in it."""
    with books_at(call.where) as books:
        number = books.organisation(name).id
        rows = [member_json(one) for one in books.reader.ask(lambda sql: roster(sql, number))]
    show_list(call.screen, rows, MEMBERS, f"Nobody is in it; `waypost orgs add-member {plain(name)} USER` adds one.")


def add_member(call: Call, name: str, user: str, role: str | None, spending_limit: str | None) -> None:
    """A user joins, or gets another role or limit."""
    limit = limit_of(spending_limit, "--spending-limit")
    wanted: Row = {"organisation": name, "user": user, **({"role": role} if role else {})}
    if limit:
        wanted["spending_limit"] = limit["limit"]
    with books_at(call.where) as books:
        books.organisation(name)
        books.user(user)
        with visit(*books.place) as run:
            member: Member = run("member.set", wanted)
    row = member_json(Place(user, member.role, member.spending_limit, member.added_at))
    if call.screen.human:
        call.screen.note(f"{plain(user)} is in {plain(name)}.")
    show_one(call.screen, row, _member_facts(row))


def remove_member(call: Call, name: str, user: str) -> None:
    """A user leaves."""
    with books_at(call.where) as books:
        number = books.organisation(name).id
        books.user(user)
        places = books.reader.ask(lambda sql: roster(sql, number))
        gone = next((one for one in places if one.user == user), None)
        if gone is None:
            raise usage_error(f"{user!r} is not in {name!r}.", f"`waypost orgs members {plain(name)}` lists who is.")
        with visit(*books.place) as run:
            run("member.remove", {"organisation": name, "user": user})
    if not any(one.role == "admin" for one in places if one is not gone):
        again = f"waypost orgs add-member {plain(name)} USER --role admin"
        call.screen.hint(f"{plain(name)} has no admin any more, and only operators can change it; `{again}` makes one.")
    row = member_json(gone)
    if call.screen.human:
        call.screen.out(f"{plain(user)} is no longer in {plain(name)}.")
    else:
        show_one(call.screen, row, _member_facts(row))


def _show_done(call: Call, row: Row, what: str) -> None:
    if call.screen.human:
        call.screen.note(f"Organisation {plain(row['name'])} {what}.")
    show_one(call.screen, row, facts(row))


def _said(call: Call, books: Books, fields: Row, rules: Rules) -> Row:
    """What the store is told: what was given, and the whole of the rules where one of them was."""
    said: Row = {} if fields["fullname"] is None else {"fullname": fields["fullname"]}
    for option, name in LIMITS.items():
        limit = limit_of(fields[option], f"--{option.replace('_', '-')}")
        if limit:
            said[name] = limit["limit"]
    changes = {name: fields[name] for name in ("billers", "price_demanded", "keys_then_credits")}
    changes |= {name: _names(name, fields[name]) for name in LISTS}
    given = {name: value for name, value in changes.items() if value is not None}
    if not fields["force"]:
        known = {name: value for name, value in given.items() if isinstance(value, list)}
        require_models(call.where, books.settings, "--models", known.get("models", []))
        require_models(call.where, books.settings, "--disabled-models", known.get("disabled_models", []))
        require_providers(call.where, books.settings, "--providers", known.get("providers", []))
    if given:
        told = {name: None if value == ALL else value for name, value in given.items()}
        said["rules"] = msgspec.to_builtins(rules) | told
    return said


def _names(name: str, text: str | None) -> list[str] | str | None:
    """The names of a list; `all` where everything is allowed again; None where nothing was said."""
    if text is None:
        return None
    if text.strip() == ALL and name != "disabled_models":
        return ALL
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def as_json(one: Organisation) -> Row:
    """An organisation as programs read it; amounts are nano-USD."""
    rules = one.rules
    return {
        "id": one.id,
        "name": one.name,
        "fullname": one.fullname,
        "created_at": iso_of(one.created_at),
        "spending_limit_nano_usd": one.spending_limit,
        "member_spending_limit_nano_usd": one.member_spending_limit,
        "included_nano_usd": one.included,
        "billers": rules.billers,
        "models": None if rules.models is None else sorted(rules.models),
        "disabled_models": sorted(rules.disabled_models),
        "providers": None if rules.providers is None else sorted(rules.providers),
        "price_demanded": rules.price_demanded,
        "keys_then_credits": rules.keys_then_credits,
    }


def member_json(place: Place) -> Row:
    """A member as programs read it."""
    return {
        "user": place.user,
        "role": place.role,
        "spending_limit_nano_usd": place.spending_limit,
        "added_at": iso_of(place.added_at),
    }


def facts(row: Row) -> list[tuple[str, Any]]:
    """An organisation as people read it."""
    return [
        ("name", row["name"]),
        ("id", row["id"]),
        ("full name", row["fullname"]),
        ("created", local_time(row["created_at"])),
        ("spending limit", _monthly(row["spending_limit_nano_usd"])),
        ("each member", _monthly(row["member_spending_limit_nano_usd"])),
        ("included", "as the settings say" if row["included_nano_usd"] is None else _monthly(row["included_nano_usd"])),
        ("billers", "admins" if row["billers"] == "admin" else f"{row['billers']} and above"),
        ("models", "all" if row["models"] is None else row["models"]),
        ("disabled models", row["disabled_models"] or "none"),
        ("providers", "all" if row["providers"] is None else row["providers"]),
        ("price demanded", row["price_demanded"]),
        ("keys, then credits", row["keys_then_credits"]),
    ]


def _member_facts(row: Row) -> list[tuple[str, Any]]:
    return [
        ("user", row["user"]),
        ("role", row["role"]),
        ("spending limit", _monthly(row["spending_limit_nano_usd"])),
        ("added", local_time(row["added_at"])),
    ]


def _monthly(nano_usd: int | None) -> str:
    return "none" if nano_usd is None else f"{exact_usd(nano_usd)} a month"


COLUMNS: Final = (
    Column("NAME", lambda row: row["name"], flex=True),
    Column("ID", lambda row: row["id"], right=True),
    Column("SPENDING LIMIT", lambda row: row["spending_limit_nano_usd"], _monthly, key="spending_limit_nano_usd"),
    Column("BILLERS", lambda row: row["billers"]),
    Column("CREATED", lambda row: row["created_at"], local_time, key="created_at", spare=1),
    Column("FULL NAME", lambda row: row["fullname"], flex=True, optional=True, key="fullname"),
)
MEMBERS: Final = (
    Column("USER", lambda row: row["user"], flex=True),
    Column("ROLE", lambda row: row["role"]),
    Column("SPENDING LIMIT", lambda row: row["spending_limit_nano_usd"], _monthly, key="spending_limit_nano_usd"),
    Column("ADDED", lambda row: row["added_at"], local_time, key="added_at", spare=1),
)
