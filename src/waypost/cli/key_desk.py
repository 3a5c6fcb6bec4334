"""`waypost keys`: through the owner while a server runs, else straight into the data folder."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from waypost.cli.amounts import iso_of, local_time
from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.data_place import DataPlace, data_at, data_of
from waypost.cli.options import Call, usage_error
from waypost.cli.people import People, people_in
from waypost.cli.screen import plain
from waypost.cli.whereabouts import settings_at
from waypost.domain.endpoints import Provider
from waypost.domain.own_keys import ProviderKey
from waypost.domain.payers import Organisation
from waypost.domain.problems import Problem
from waypost.domain.tables import did_you_mean
from waypost.identity.keyring import read_key, sealed_key
from waypost.identity.rotation import rotate
from waypost.identity.vault import Vault
from waypost.settings import Settings
from waypost.store.reader import Reader
from waypost.store.visitor import visit

Row = dict[str, Any]


class Owners(NamedTuple):
    """Everybody who may have a key, and how an account is shown."""

    people: People
    organisations: Sequence[Organisation]

    def shown(self, account: str) -> tuple[str, str]:
        """Kind and name."""
        kind, _, number = account.partition(":")
        if kind == "user":
            return "user", self.people.name_of(int(number))
        return "org", next((one.name for one in self.organisations if one.id == int(number)), number)

    def account(self, user: str | None, org: str | None) -> str:
        """The account that is meant. Raises Stop."""
        if user is not None and org is not None:
            raise usage_error("--user and --org together name two owners.", "Leave one of them out.")
        if org is None:
            return f"user:{(self.people.operator() if user is None else self.people.user(user)).id}"
        for one in self.organisations:
            if org in {one.name, str(one.id)}:
                return f"org:{one.id}"
        near = did_you_mean(org, [one.name for one in self.organisations]) or "."
        raise usage_error(f"There is no organisation {org!r}{near}", "`waypost orgs list` lists them.")


def show_keys(call: Call, user: str | None, org: str | None) -> None:
    """Those of one owner, or of all."""
    settings = settings_at(call.where)
    data = data_of(settings)
    owners = _owners(data)
    wanted = None if user is None and org is None else owners.account(user, org)
    reader = Reader(*data)
    try:
        found = reader.provider_keys(wanted)
    finally:
        reader.close()
    rows = [_as_json(key, owners, settings) for key in found]
    show_list(call.screen, rows, COLUMNS, "There is no own key; `waypost keys set PROVIDER` keeps one.")


def set_key(
    call: Call, provider: str, user: str | None, org: str | None, label: str | None, key_env: str | None
) -> None:
    """In force in every worker when it returns."""
    settings = settings_at(call.where)
    data = data_of(settings)
    row = _provider(settings, provider)
    owners = _owners(data)
    owner = owners.account(user, org)
    key, last4 = _read(key_env, provider)
    vault = Vault(data.folder)
    args = {"owner": owner, "provider": row.slug, "label": (label or "").strip() or row.slug, "base_url": row.base_url}
    with visit(*data) as run:
        sealed = sealed_key(vault, owner, row, key)
        made: ProviderKey = run("key.set", {**args, "sealed": sealed, "last4": last4})
        if not vault.is_newest(sealed):  # a rotation began meanwhile, and may not have seen this one
            run("key.reseal", {"id": made.id, "was": sealed, "sealed": sealed_key(vault, owner, row, key)})
    shown = _as_json(made, owners, settings)
    if call.screen.human:
        call.screen.note(f"The key for {plain(row.slug)} is kept, sealed. Calls that {_whose(shown)} pays for use it.")
    show_one(call.screen, shown, _facts(shown))


def remove_key(call: Call, provider: str, user: str | None, org: str | None) -> None:
    """Gone in every worker when it returns."""
    data = data_at(call.where)
    owners = _owners(data)
    owner = owners.account(user, org)
    with visit(*data) as run:
        try:
            gone: ProviderKey = run("key.remove", {"owner": owner, "provider": provider})
        except Problem as problem:
            if problem.code != "not_found":
                raise
            raise usage_error(problem.message, "`waypost keys list` lists those there are.") from None
    kind, name = owners.shown(owner)
    row = {"provider": gone.provider, "owner": kind, "name": name, "removed": True}
    if call.screen.human:
        call.screen.out(f"The key of {kind} {plain(name)} for {plain(gone.provider)} is removed.")
    else:
        show_one(call.screen, row, list(row.items()))


def rotate_keys(call: Call) -> None:
    """A new key of our own for all that is sealed."""
    data = data_at(call.where)
    _owners(data)
    reader = Reader(*data)
    try:
        with visit(*data) as run:
            done = rotate(Vault(data.folder), reader, run)
    finally:
        reader.close()
    row = done._asdict()
    if call.screen.human:
        call.screen.out(f"Sealed anew: {done.keys} provider keys and {done.replies} kept replies.")
        if done.unreadable:
            call.screen.note(f"{done.unreadable} could not be opened, as before: their key was lost. Set them again.")
    else:
        show_one(call.screen, row, list(row.items()))


def _owners(data: DataPlace) -> Owners:
    people = people_in(data)
    reader = Reader(*data)
    try:
        return Owners(people, reader.organisations())
    finally:
        reader.close()


def _provider(settings: Settings, slug: str) -> Provider:
    """One that takes keys. Raises Stop."""
    known = settings.providers
    row = known.get(slug)
    if row is None or not row.base_url:
        near = did_you_mean(slug, known) or "."
        raise usage_error(f"There is no provider {slug!r}{near}", "`waypost providers list --all` lists them.")
    if row.keyless:
        raise usage_error(f"{slug} takes no keys.", "Call it as it is; it is paid as its price says.")
    return row


def _read(key_env: str | None, provider: str) -> tuple[str, str]:
    """The key, never from the arguments: every user of the machine can read those."""
    if key_env is not None:
        text = os.environ.get(key_env)  # noqa: TID251 (the command line hands the environment on)
        if not text:
            raise usage_error(f"--key-env: the environment variable {key_env} is not set.", "Name one that is.")
    elif sys.stdin.isatty():
        text = getpass.getpass(f"Key for {provider} (not shown): ")
    else:
        text = sys.stdin.read()
    try:
        return read_key(text)
    except Problem as problem:
        raise usage_error(f"That is no key: {problem.why}.", problem.fix) from None


def _as_json(key: ProviderKey, owners: Owners, settings: Settings) -> Row:
    kind, name = owners.shown(key.owner)
    row = settings.providers.get(key.provider)
    return {
        "provider": key.provider,
        "owner": kind,
        "name": name,
        "label": key.label,
        "last4": key.last4,
        "base_url": key.base_url,
        "usable": row is not None and row.base_url == key.base_url,
        "created_at": iso_of(key.created_at),
    }


def _whose(row: Row) -> str:
    return f"{row['owner']} {plain(row['name'])}"


def _facts(row: Row) -> list[tuple[str, Any]]:
    """A key as people read it."""
    return [
        ("provider", row["provider"]),
        ("of", _whose(row)),
        ("label", row["label"]),
        ("ends in", f"…{row['last4']}" if row["last4"] else "not shown"),
        ("sent to", row["base_url"]),
        ("usable", row["usable"]),
        ("set", local_time(row["created_at"])),
    ]


COLUMNS: Final = (
    Column("PROVIDER", lambda row: row["provider"], flex=True),
    Column("OWNER", lambda row: row["owner"]),
    Column("NAME", lambda row: row["name"], flex=True),
    Column("LABEL", lambda row: row["label"], flex=True, spare=2),
    Column("ENDS IN", lambda row: row["last4"], spare=3),
    Column("USABLE", lambda row: row["usable"]),
    Column("SET", lambda row: row["created_at"], local_time, key="created_at", spare=1),
    Column("SENT TO", lambda row: row["base_url"], flex=True, optional=True, key="base_url"),
)
