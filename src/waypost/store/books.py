"""What the rest of the house says to the store, and hears from it.

**Books** is the one face of everything that outlives a call: `Owner` shows it in the process that holds the only
write connection, `OwnerLink` in a worker that speaks to that process over a Unix socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from waypost.domain.callers import Token, User
from waypost.domain.own_keys import ProviderKey
from waypost.domain.payers import Member, Organisation
from waypost.domain.problems import Refusal
from waypost.domain.pulse import PulseDelta
from waypost.domain.waybill import Outcome, Waybill

STRANGERS_MAX = 10_000
STANDING = -1
"""The window of what is counted for good: credits, and what was spent in a month that the counter's key names."""


class DataError(Exception):
    """The data folder cannot be used as it is. One line that says what and how to mend it; exit code 3."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(f"{message} {fix}".strip())
        self.message = message
        self.fix = fix


class Counter(NamedTuple):
    """Something counted against a limit."""

    key: str
    limit: int
    window_seconds: int
    """60: used up within a calendar minute. 0: taken and given back (streams at once). STANDING: money, whose keys are
    `credits:<account>` (the limit is what the account's floor says, not the counter) and `spend:<subject>:<month>`.
    """


class Mark(NamedTuple):
    """How far a call that runs under a hold has come: what it would be settled by if this process ended now."""

    id: int
    provider: str
    price_version: str
    output_tokens: int


class Verdict(NamedTuple):
    """Whether a counter gave what was asked."""

    granted: bool
    remaining: int
    reset_seconds: int
    """Until the window turns; 0 for what is given back."""


class Change(NamedTuple):
    """Something about an identity changed, with its new state, so that nobody has to read it again."""

    seq: int
    at_ms: int
    subject: str
    """`user`, `token`, `organisation`, `member` or `provider_key`."""
    id: int
    value: User | Token | Organisation | Member | ProviderKey


class Filters(NamedTuple):
    """Which waybills to list. None is any; times are Unix milliseconds, `since` included and `until` not."""

    user: str | None = None
    token: str | None = None
    """A token's name."""
    model: str | None = None
    provider: str | None = None
    outcome: Outcome | None = None
    code: str | None = None
    status: int | None = None
    session: str | None = None
    policy: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    before: str | None = None
    """Request id: only older ones. `next` of the page before."""
    limit: int = 50


class Page(NamedTuple):
    """Waybills, newest first."""

    items: list[dict[str, Any]]
    next: str | None
    """Hand this in as `before` for the page that follows; None at the end."""


class Retention(NamedTuple):
    """How long waybills are kept; None is for ever."""

    age_days_max: int | None = 90
    rows_max: int | None = 5_000_000


class StoreSettings(NamedTuple):
    """Everything the store is told."""

    folder: Path
    retention: Retention = Retention()
    database: str | None = None
    """Address of a Postgres database, password and all; None is a SQLite file in the folder."""
    retry_seconds_max: float = 5.0
    """How long a batch that the disk refused is tried again."""
    poll_seconds: float = 0.25
    """How often other processes' writes are looked for."""


class Books(Protocol):
    """The face of the store in every process that serves."""

    writer: int
    """This process's number for RequestNumbers: 0 in the owner, 1 to 63 in workers."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written at the moment; None while it can, as far as is known."""

    @property
    def unwritten(self) -> int:
        """This process's waybills that wait for the disk."""

    def hold(self, waybill: Waybill) -> None:
        """The call has gone out under its hold: it is to be known to the disk soon. Nobody waits for that yet."""

    def held(self, waybill: Waybill) -> asyncio.Future[None]:
        """Done when the hold is on the disk. Fails with `ledger_unavailable`."""

    def progress(self, marks: list[Mark]) -> None:
        """How far running calls have come; written when there is time."""

    def file(self, waybill: Waybill) -> asyncio.Future[None]:
        """Write the waybill, and the end of its hold; done when it is on the disk. Fails with `ledger_unavailable`."""

    def file_stranger(self, waybill: Waybill) -> None:
        """Note a refused unknown caller in the ring; nobody waits for it."""

    def free(self, counter: Counter) -> int | None:
        """How much can be taken, as far as this process knows; None where it knows nothing."""

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        """Take from memory, at once; None where only `take` can tell."""

    async def take(self, counter: Counter, amount: int) -> Verdict:
        """Take, asking whoever must be asked."""

    def give(self, counter: Counter, amount: int) -> None:
        """Give back what was taken; a negative amount uses more, beyond the limit if need be."""

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        """Do a write command; durable, and known to every worker, when it returns. Raises Problem."""

    def on_changes(self, callback: Callable[[list[Change]], None]) -> None:
        """Call back after every committed change of identities, whoever made it."""

    def on_pulse(self, callback: Callable[[list[PulseDelta]], None]) -> None:
        """Call back with the other processes' readings, and at once with those kept from before."""

    def send_pulse(self, deltas: list[PulseDelta]) -> None:
        """Tell the other processes, and the disk."""

    def retain(self, retention: Retention) -> None:
        """From now on keep waybills so long. Every process may say it; the last word counts."""


def ledger_unavailable(why: str) -> Refusal:
    """The refusal for everything that could not be written."""
    return Refusal(
        "ledger_unavailable",
        "The record of this request could not be written, so it is not served.",
        why=why,
        fix="Free space on the data folder's disk, or look at its health; Waypost goes on by itself afterwards.",
        retry_after_seconds=5,
    )
