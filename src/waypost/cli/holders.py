"""The data behind a command about money: read at one moment, by whoever's name people say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from waypost.cli.data_place import DataPlace, data_of
from waypost.cli.exits import Exit, Stop
from waypost.cli.options import Where, usage_error
from waypost.cli.whereabouts import settings_at
from waypost.domain.callers import User
from waypost.domain.payers import Organisation
from waypost.domain.tables import did_you_mean
from waypost.settings import Settings
from waypost.store.reader import Reader
from waypost.store.visitor import visit


class Holder(NamedTuple):
    """Whose account it is."""

    type: str
    """`user` or `organisation`."""
    name: str
    account: str
    """The ledger's name for it."""
    included: int
    """What comes with each month, in nano-USD."""


class Books(NamedTuple):
    """An installation's data, open for reading."""

    settings: Settings
    place: DataPlace
    reader: Reader

    def organisation(self, name: str) -> Organisation:
        """The organisation of that name. Raises Stop."""
        known = self.reader.organisations()
        for one in known:
            if one.name == name:
                return one
        near = did_you_mean(name, [one.name for one in known])
        raise usage_error(f"There is no organisation {name!r}{near}.", "`waypost orgs list` lists them.")

    def user(self, name: str) -> User:
        """The user of that name. Raises Stop."""
        known = self.reader.users()
        for one in known:
            if one.name == name:
                return one
        near = did_you_mean(name, [one.name for one in known])
        raise usage_error(f"There is no user {name!r}{near}.", "`waypost users list` lists them.")

    def holders(self) -> list[Holder]:
        """Everybody who has an account: users, then organisations."""
        brings = self.settings.credits.included
        users = [Holder("user", one.name, f"user:{one.id}", brings(None)) for one in self.reader.users()]
        organisations = self.reader.organisations()
        return users + [Holder("organisation", one.name, f"org:{one.id}", brings(one)) for one in organisations]

    def holder(self, name: str) -> Holder:
        """The user or organisation of that name; they all have different ones. Raises Stop."""
        everybody = self.holders()
        for one in everybody:
            if one.name == name:
                return one
        near = did_you_mean(name, [one.name for one in everybody]) or "."
        hint = "`waypost users list` and `waypost orgs list` list them."
        raise usage_error(f"There is no user or organisation {name!r}{near}", hint)


@contextmanager
def books_at(where: Where) -> Iterator[Books]:
    """The data of the installation that is meant. Raises Stop where there is none, DataError, SettingsError."""
    settings = settings_at(where)
    place = data_of(settings)
    _require_folder(place.folder)
    with visit(*place):
        pass  # whoever owns it has brought its data to this version
    reader = Reader(*place)
    try:
        yield Books(settings, place, reader)
    finally:
        reader.close()


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        fix = "Start `waypost serve` once, or name the folder with --data."
        raise Stop(Exit.SETTINGS, f"There is no data folder {folder}.", fix)
