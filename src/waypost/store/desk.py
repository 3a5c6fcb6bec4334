"""What a write command works with, and how it is declared: `people.py` shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from waypost.domain.problems import Refusal
from waypost.store.sql import Sql

AMOUNT_MAX: Final = 9_000_000_000_000_000_000
"""Nano-USD that a column takes."""


class Desk:
    """A connection inside a transaction, the time, and the list of what was changed."""

    def __init__(self, sql: Sql, now_ms: int) -> None:
        self.sql = sql
        self.now_ms = now_ms
        self.moves: list[tuple[str, int]] = []
        self.floors: list[tuple[str, int]] = []
        self.spendings: list[tuple[str, int, int]] = []

    def moved(self, account: str, amount: int) -> None:
        """So much was credited to an account, negative where it was debited: its owner's counter follows."""
        self.moves.append((account, amount))

    def spent(self, subject: str, period: int, amount: int) -> None:
        """So much more counts as spent in a month: the counter of who has a limit follows."""
        self.spendings.append((subject, period, amount))

    def mark(self) -> tuple[int, int, int]:
        """What was said of accounts so far, to go `back_to`."""
        return len(self.moves), len(self.floors), len(self.spendings)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """What was said since is undone."""
        del self.moves[mark[0] :], self.floors[mark[1] :], self.spendings[mark[2] :]

    def allowed(self, account: str, floor: int) -> None:
        """An account may go down so far from now on."""
        self.floors.append((account, floor))

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


def check_amount(name: str, amount: object) -> None:
    """Raises Refusal for a number that is no amount of nano-USD. What is left out, or null, is none."""
    if isinstance(amount, int) and not 0 <= amount <= AMOUNT_MAX:
        raise invalid(
            name, f"{name} must be from 0 to {AMOUNT_MAX} nano-USD.", why=f"it is {amount}", fix="Correct it."
        )


def invalid(param: str, message: str, *, why: str = "", fix: str = "") -> Refusal:
    """The refusal of a command's argument."""
    return Refusal("invalid_request", message, why=why, fix=fix, param=param)
