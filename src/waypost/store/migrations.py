"""Numbered `.sql` files, and whose data goes with which program."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

from waypost.store.books import DataError


class Migration(NamedTuple):
    """One step forward."""

    number: int
    sql: str


def shipped(package: str) -> list[Migration]:
    """Every migration of an engine, in order."""
    folder = resources.files(package) / "migrations"
    files = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [Migration(int(name[:4]), (folder / name).read_text("utf-8")) for name in files]


def refuse_newer(version: int, newest: int, place: object) -> None:
    """Raise DataError for data of a newer Waypost."""
    if version > newest:
        raise DataError(
            f"The data in {place} is version {version}, written by a newer Waypost; this one knows {newest}.",
            "Install that newer Waypost again, or restore the backup made before it.",
        )


def refuse_older(version: int, newest: int, place: object) -> None:
    """Raise DataError for data that must be brought forward first."""
    if version < newest:
        raise DataError(
            f"The data in {place} is version {version}; this Waypost reads version {newest}.",
            "Start `waypost serve` with this version once; it brings the data forward.",
        )
