"""What a write command works with, and how it is declared: `people.py` shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from waypost.domain.problems import Refusal
from waypost.store.sql import Sql


class Desk:
    """A connection inside a transaction, the time, and the list of what was changed."""

    def __init__(self, sql: Sql, now_ms: int) -> None:
        self.sql = sql
        self.now_ms = now_ms

    def changed(self, subject: str, number: int) -> None:
        """Write the change's row, in the transaction that makes the change."""
        self.sql.run(
            "INSERT INTO changes (at_ms, subject, subject_id) VALUES (:now, :subject, :id)",
            {"now": self.now_ms, "subject": subject, "id": number},
        )


class Command(NamedTuple):
    """A command's arguments, and the function that does it. It raises Problem for what a person did wrong."""

    args: type[Any]
    run: Callable[[Desk, Any], Any]


Commands = Mapping[str, Command]
"""What a room adds: name → command."""


def invalid(param: str, message: str, *, why: str = "", fix: str = "") -> Refusal:
    """The refusal of a command's argument."""
    return Refusal("invalid_request", message, why=why, fix=fix, param=param)
