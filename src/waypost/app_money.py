"""The rooms behind the routes about money and organisations, put together for `app`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from waypost.domain.ledger import period_of
from waypost.domain.payers import Organisation
from waypost.door.billing import Billing
from waypost.door.cold import Handler
from waypost.door.credit_routes import CreditRoutes
from waypost.door.organisation_routes import Organisations
from waypost.door.requests import ReadingRoom
from waypost.door.top_up import ROUTE, TopUp
from waypost.identity.memberships import Memberships
from waypost.settings import Settings
from waypost.store.books import Books
from waypost.store.clock import unix_ms
from waypost.store.reader import Reader
from waypost.store.statements import statement

TOP_UP: Final = frozenset({ROUTE})


def absent_routes(settings: Settings) -> frozenset[str]:
    """Rows of the route table that these settings leave out."""
    return TOP_UP if settings.credits.webhook_secret_env is None else frozenset()


class Money:
    """Handlers for routes about money, and who can pay. `settings` gives those in force."""

    def __init__(
        self,
        books: Books,
        reader: Reader,
        room: ReadingRoom,
        memberships: Memberships,
        settings: Callable[[], Settings],
    ) -> None:
        self._reader = reader
        self._room = room
        self._settings = settings
        credit_routes = CreditRoutes(books, reader, room, memberships, self._included, unix_ms)
        self._rooms: list[Organisations | CreditRoutes | Billing | TopUp] = [
            Organisations(books, reader, room, memberships),
            credit_routes,
            Billing(reader, room, credit_routes.holder, unix_ms),
        ]
        if not absent_routes(settings()):
            self._rooms.append(TopUp(settings().top_up_secret.encode(), books, reader, room, unix_ms))

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {name: handler for one in self._rooms for name, handler in one.handlers().items()}

    async def free(self, user_id: int, organisations: list[Organisation]) -> dict[str, int]:
        """What is free on the accounts of a user and of organisations, by their ledger names."""
        accounts = {f"user:{user_id}": self._included(None)}
        accounts |= {f"org:{one.id}": self._included(one) for one in organisations}
        period = period_of(unix_ms())
        return await self._room.read(
            lambda: self._reader.ask(
                lambda sql: {name: statement(sql, name, period, brings).free for name, brings in accounts.items()}
            )
        )

    def _included(self, organisation: Organisation | None) -> int:
        return self._settings().credits.included(organisation)
