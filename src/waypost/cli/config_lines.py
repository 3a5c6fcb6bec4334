"""`waypost config`: the settings in force, where they come from, and whether they can be used."""

from __future__ import annotations

from typing import Any, Final

from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.options import Call
from waypost.cli.screen import plain
from waypost.cli.whereabouts import settings_at
from waypost.settings_lines import DEFAULT


def show_settings(call: Call, *, everything: bool) -> None:
    """Every setting, or those somebody set."""
    settings = settings_at(call.where)
    lines = [line._asdict() for line in settings.describe() if everything or _is_set(line)]
    show_list(call.screen, lines, COLUMNS, "Every setting is at its default; --all lists them.")


def _is_set(line: Any) -> bool:
    return line.origin != DEFAULT and not line.origin.endswith("is not set")


def show_paths(call: Call) -> None:
    """Which file, which folder."""
    settings = settings_at(call.where)
    told = {
        "settings": str(settings.file) if settings.file else None,
        "data": str(settings.data_folder),
        "looked_for": [str(path) for path in settings.looked_for],
    }
    facts = [
        ("settings", told["settings"] or "none"),
        ("data", told["data"]),
        ("looked for", None if settings.file else ", ".join(map(str, settings.looked_for))),
    ]
    show_one(call.screen, told, facts)


def check_settings(call: Call) -> None:
    """Read them. Raises SettingsError with every fault."""
    settings = settings_at(call.where)
    told = {"settings": str(settings.file) if settings.file else None, "well": True, "notes": list(settings.notes)}
    where = settings.file or "no file, all defaults"
    show_one(call.screen, told, [("settings", where), ("well", "yes")])
    for note in settings.notes:
        call.screen.note(f"{call.screen.faint('note:')} {plain(note)}")


COLUMNS: Final = (
    Column("SETTING", lambda row: row["key"], key="key", flex=True),
    Column("VALUE", lambda row: row["value"], flex=True),
    Column("FROM", lambda row: row["origin"], key="origin", flex=True),
)
