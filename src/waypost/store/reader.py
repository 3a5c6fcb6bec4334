"""Reading: what lists, the console and the command line ask. Blocking; async code calls it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from waypost.domain.callers import Token, User
from waypost.domain.ledger import Account, Transfer
from waypost.domain.own_keys import ProviderKey
from waypost.domain.payers import Member, Organisation
from waypost.domain.requests import request_id
from waypost.store import accounts, identities, keyed_calls, provider_keys
from waypost.store.books import Change, DataError, Filters, Page, ledger_unavailable
from waypost.store.engine import Reading
from waypost.store.engines import engine_of
from waypost.store.reconcile import Reconciled, reconcile
from waypost.store.replay import Difference, replay
from waypost.store.rows import COLUMNS, NAMED
from waypost.store.sql import Sql, TryAgain
from waypost.store.usage import Usage, Wanted, calls_pages, usage
from waypost.store.verify import Finding, verify
from waypost.store.waybills import stranger_json, waybill_json

Answer = TypeVar("Answer")
LIMIT_MAX: Final = 1_000
WORDS: Final = {name: f"(SELECT text FROM names WHERE id = c.{name})" for name in NAMED}  # noqa: S608 (constants)
SHOWN: Final = {name: WORDS.get(name, f"c.{name}") for name in COLUMNS} | {"user": "u.name", "token": "t.name"}
SELECT: Final = (
    f"SELECT {', '.join(SHOWN.values())} FROM calls c"  # noqa: S608 (constants)
    " LEFT JOIN users u ON u.id = c.user_id LEFT JOIN tokens t ON t.id = c.token_id"
)
COUNTS: Final = {
    "users": "SELECT count(*) FROM users",
    "tokens": "SELECT count(*) FROM tokens",
    "strangers": "SELECT count(*) FROM strangers",
}


class Reader:
    """Read-only connections to the data, one for each thread that reads at the moment."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self._engine = engine_of(folder, database)
        self._idle: SimpleQueue[Reading] = SimpleQueue()
        self._idle.put(self._engine.open_reader())

    def ask(self, question: Callable[[Sql], Answer]) -> Answer:
        """Whatever one snapshot of the data answers. It may be asked twice: the first connection may be lost."""

        def within(reading: Reading) -> Answer:
            with reading.snapshot():
                return question(reading.sql)

        return self._ask(within)

    def users(self) -> list[User]:
        """Every user, oldest first."""
        return self.ask(identities.users)

    def tokens(self) -> list[Token]:
        """Every token, revoked ones too, oldest first."""
        return self.ask(identities.tokens)

    def organisations(self) -> list[Organisation]:
        """Every organisation, oldest first."""
        return self.ask(identities.organisations)

    def members(self) -> list[Member]:
        """Everybody who is in an organisation."""
        return self.ask(identities.members)

    def provider_keys(self, owner: str | None = None) -> list[ProviderKey]:
        """Own keys of users and organisations, or of one account, sealed."""
        return self.ask(lambda sql: provider_keys.provider_keys(sql, owner))

    def kept_reply(self, user: int, key: bytes) -> keyed_calls.KeptReply | None:
        """What was answered to a user's call with a key, sealed."""
        return self.ask(lambda sql: keyed_calls.kept_reply(sql, user, key))

    def kept_replies(self, after: int, limit: int) -> list[keyed_calls.KeptReply]:
        """All such, by the number of their calls."""
        return self.ask(lambda sql: keyed_calls.kept_replies(sql, after, limit))

    def accounts(self) -> list[Account]:
        """Every account, in the order in which they were first used."""
        return self.ask(accounts.accounts)

    def account(self, name: str) -> Account | None:
        """One account by its ledger name (`user:1`); None until something moved on it."""
        return self.ask(lambda sql: accounts.account_named(sql, name))

    def transfers(self, account: str | None = None, before: int | None = None, limit: int = 50) -> list[Transfer]:
        """What moved besides calls, newest first. `before` is the id of the last one of the page before."""
        most = max(1, min(limit, LIMIT_MAX))
        return self.ask(lambda sql: accounts.transfers(sql, account, before, most))

    def usage(self, wanted: Wanted) -> Usage:
        """What calls added up to. Raises ValueError for groups that cannot be asked together."""
        return self.ask(lambda sql: usage(sql, wanted))

    def usage_calls(self, wanted: Wanted) -> Iterator[list[dict[str, Any]]]:
        """The calls themselves, oldest first, page after page."""
        return calls_pages(self.ask, wanted)

    def verify(self, living: Collection[int] | None = None) -> list[Finding]:
        """Everything in the books that is not as it always is. Reads every call, in one snapshot."""
        return self.ask(lambda sql: list(verify(sql, living)))

    def replay(self) -> list[Difference]:
        """Everything that is kept and is not what the entries come to. Reads every call, in one snapshot."""
        return self.ask(replay)

    def reconcile(self, since_ms: int = 0, until_ms: int | None = None) -> list[Reconciled]:
        """What providers say that calls cost, against ours."""
        return self.ask(lambda sql: reconcile(sql, since_ms, until_ms))

    def counts(self) -> dict[str, int]:
        """How many there are of everything that is listed."""
        return self._ask(_counts)

    def changes_since(self, seq: int) -> list[Change]:
        """Identity changes after `seq`."""
        return self.ask(lambda sql: identities.changes_since(sql, seq))

    def find(self, number: int) -> dict[str, Any] | None:
        """One waybill by its number."""
        return next(iter(self.ask(lambda sql: _bills(sql, [number]))), None)

    def page(self, filters: Filters) -> Page:
        """Waybills that fit all filters, newest first."""
        limit = max(1, min(filters.limit, LIMIT_MAX))

        def found(reading: Reading) -> Page:
            with reading.snapshot():
                ids = reading.newest(filters, limit + 1)
                items = _bills(reading.sql, ids[:limit])
            return Page(items, request_id(ids[limit - 1]) if len(ids) > limit else None)

        return self._ask(found)

    def strangers(self, limit: int = 50) -> list[dict[str, Any]]:
        """Refused unknown callers, newest first."""
        statement = "SELECT id, status, code, trail FROM strangers ORDER BY id DESC LIMIT :limit"
        return [stranger_json(*row) for row in self.ask(lambda sql: sql.rows(statement, {"limit": limit}))]

    def close(self) -> None:
        """Close every connection that is not in use."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _ask(self, question: Callable[[Reading], Answer]) -> Answer:
        """Ask an idle connection. One that was lost meanwhile is no reason to give up, a fresh one is."""
        try:
            return self._ask_once(self._idle.get_nowait(), question)
        except (Empty, TryAgain):
            try:
                return self._ask_once(self._engine.open_reader(), question)
            except (TryAgain, DataError) as error:
                raise ledger_unavailable(str(error)) from error

    def _ask_once(self, reading: Reading, question: Callable[[Reading], Answer]) -> Answer:
        try:
            answer = question(reading)
        except TryAgain:
            reading.close()
            raise
        except BaseException:
            self._idle.put(reading)
            raise
        self._idle.put(reading)
        return answer


def _counts(reading: Reading) -> dict[str, int]:
    with reading.snapshot():
        counts = {name: int(reading.sql.value(query)) for name, query in COUNTS.items()}
        return counts | {"requests": reading.calls()}


def _bills(sql: Sql, ids: list[int]) -> list[dict[str, Any]]:
    """Those of these waybills that there are, newest first."""
    if not ids:
        return []
    values = {f"id{place}": number for place, number in enumerate(ids)}
    wanted = ", ".join(f":{name}" for name in values)
    rows = sql.rows(f"{SELECT} WHERE c.id IN ({wanted}) ORDER BY c.id DESC", values)
    return [waybill_json(dict(zip(SHOWN, row, strict=True))) for row in rows]
