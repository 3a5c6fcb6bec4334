"""Where the data is: the folder, and the database where one holds it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from waypost.cli.options import Where
from waypost.cli.whereabouts import read_standing, settings_at
from waypost.settings import Settings


class DataPlace(NamedTuple):
    """What the store is told, in its order."""

    folder: Path
    database: str | None


def data_at(where: Where) -> DataPlace:
    """The data of the installation that is meant. Raises SettingsError."""
    return data_of(settings_at(where))


def data_of(settings: Settings) -> DataPlace:
    """As the settings say, else as the server on this folder was started; its password it tells nobody."""
    database = settings.store.database
    if database is None:
        standing = read_standing(settings.data_folder)
        database = None if standing is None else standing.database
    return DataPlace(settings.data_folder, database)
