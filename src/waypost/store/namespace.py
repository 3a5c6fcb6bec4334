"""Names of users and organisations: one namespace, because calls and settings name either."""

from __future__ import annotations

import re
from typing import Final

from waypost.store.desk import Desk, invalid
from waypost.store.sql import Sql

NAME: Final = re.compile(r"(?!\d+\Z)[a-z0-9][a-z0-9._-]{0,63}")
"""Digits alone are left out: they are an organisation's id."""


def require_free_name(desk: Desk, name: str, kind: str) -> None:
    """Raises Refusal where no `kind` (`user`, `organisation`) can have this name."""
    article = "an" if kind[0] in "aeio" else "a"
    if not NAME.fullmatch(name):
        raise invalid(
            "name",
            f"{name[:64]!r} cannot be {article} {kind}'s name.",
            fix="Use 1 to 64 of a-z, 0-9, '-', '_' and '.', beginning with a letter or digit, and not digits alone.",
        )
    taken = _holder(desk.sql, name)
    if taken is not None:
        raise invalid("name", f"There is already {taken} named {name!r}.", fix="Choose another name.")


def _holder(sql: Sql, name: str) -> str | None:
    if sql.value("SELECT 1 FROM users WHERE name = :name", {"name": name}):
        return "a user"
    if sql.value("SELECT 1 FROM organisations WHERE name = :name", {"name": name}):
        return "an organisation"
    return None
