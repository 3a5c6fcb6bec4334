"""Checks of the data folder: whether it can be used, who is in it, and how old the catalogue is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sized
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from waypost.cli.checkup_parts import BAD, NOTE, OK, Check
from waypost.cli.data_place import data_of
from waypost.domain.databases import shown
from waypost.identity.pepper import FILE as PEPPER
from waypost.routing.sheets import files_of, read_sheets
from waypost.settings import Settings
from waypost.store.books import DataError
from waypost.store.engines import engine_of
from waypost.store.reader import Reader

FREE_BYTES_MIN: Final = 512 * 1024 * 1024
CATALOGUE_DAYS_MAX: Final = 14
OTHERS_BITS: Final = 0o077


def check_data(settings: Settings) -> Iterator[Check]:
    """The folder, the version of what is in it, the pepper, and the room that is left."""
    folder = settings.data_folder
    if not folder.exists():
        yield _folder_to_come(folder)
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        said = f"{folder} cannot be written by this user"
        yield Check("data", BAD, said, "Change its owner, or choose another: --data")
        return
    yield Check("data", OK, str(folder))
    if folder.stat().st_mode & OTHERS_BITS:
        yield Check("data.mode", NOTE, "other users of this machine can look into it", f"chmod 700 {folder}")
    yield from _check_version(settings)
    yield _check_space(folder)


def _folder_to_come(folder: Path) -> Check:
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        return Check("data", NOTE, f"{folder} is not there yet; the first start makes it")
    return Check("data", BAD, f"{folder} is not there, and {above} cannot be written", "Choose another: --data")


def _check_version(settings: Settings) -> Iterator[Check]:
    folder, database = data = data_of(settings)
    if database is not None:
        yield Check("data.database", OK, shown(database))
    try:
        version, newest = engine_of(*data).versions()
    except DataError as error:
        yield Check("data.version", BAD, error.message, error.fix)
        return
    if version == 0:
        yield Check("data.version", NOTE, "it is empty; the first start fills it")
        return
    if version > newest:
        said = f"version {version}, written by a newer Waypost; this one knows {newest}"
        yield Check("data.version", BAD, said, "Install that newer Waypost again.")
    else:
        behind = "" if version == newest else f"; the next start brings it to {newest}"
        yield Check("data.version", OK, f"version {version}{behind}")
    if not (folder / PEPPER).exists():
        fix = "Restore it from the backup that the database is from; without it every token has to be made anew."
        yield Check("data.pepper", BAD, "the secret that token digests are made with is gone: no token works", fix)


def _check_space(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:,.1f} GB free"
    if free < FREE_BYTES_MIN:
        return Check("data.space", BAD, said, "Free some: when the disk is full, no call is served.")
    return Check("data.space", OK, said)


def check_people(settings: Settings) -> Iterator[Check]:
    """Whether anybody could call."""
    try:
        reader = Reader(*data_of(settings))
        users, tokens = reader.users(), reader.tokens()
        reader.close()
    except DataError:
        return  # told already, or not there yet
    now = datetime.now(UTC).timestamp() * 1000
    live = [token for token in tokens if token.revoked_at is None and (token.expires_at or now + 1) > now]
    said = f"{_counted(users, 'user')}, {_counted(live, 'token')} that can be used"
    if not live:
        yield Check("tokens", NOTE, said, "waypost tokens create NAME")
    elif not any(user.operator for user in users):
        yield Check("tokens", NOTE, f"{said}; no user is an operator", "waypost users set NAME --operator")
    else:
        yield Check("tokens", OK, said)


def _counted(things: Sized, name: str) -> str:
    return f"{len(things)} {name}" if len(things) == 1 else f"{len(things)} {name}s"


def check_catalogue(settings: Settings) -> Iterator[Check]:
    """The synced lists of models: readable, and not too old."""
    folder = settings.catalogue_folder
    if not files_of(folder):
        if any(provider.usable and not provider.disabled for provider in settings.providers.values()):
            yield Check("catalogue", NOTE, "no list of models was synced yet", "waypost models sync")
        return
    sheets = read_sheets(folder)
    for note in sheets.notes:
        yield Check("catalogue", BAD, note, "waypost models sync")
    today = datetime.now(UTC).date()
    for sheet in sheets.sheets:
        days = (today - date.fromisoformat(sheet.as_of)).days
        said = f"{len(sheet.models)} models as of {sheet.as_of}"
        old = days > CATALOGUE_DAYS_MAX
        fix = f"waypost models sync {sheet.name}" if old else ""
        yield Check(f"catalogue.{sheet.name}", NOTE if old else OK, f"{said}, {days} days ago" if old else said, fix)
