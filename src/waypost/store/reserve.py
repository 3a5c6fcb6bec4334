"""Credits that a command is about to take are set aside first, so that no call is given them.

What calls hold stays theirs. What is free is taken from the counter in the owner's memory, slices of workers called
back for it; the command is told how much that was, and it is put back when the counter has followed what really went.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

from waypost.store.books import STANDING, Counter
from waypost.store.counters import Ask, Counters, Grant
from waypost.store.credits import ASKS, Taking, takes
from waypost.store.office import LOCAL
from waypost.store.standing import credits_key

EXPIRE: Final = "credits.expire"


class Books(Protocol):
    """What it needs of the owner."""

    counters: Counters

    async def order(self, command: str, args: dict[str, Any]) -> Any: ...


class Reserve:
    """Runs commands."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        """Run a command, with what it takes set aside. Raises Problem."""
        taking = await self._taking(command, args)
        if taking is None:
            return await self._books.order(command, args)
        return await self.run_taking(taking, command, args)

    async def run_taking(self, taking: Taking, command: str, args: dict[str, Any]) -> Any:
        """The same, where it is known what the command takes."""
        touching = command != EXPIRE  # the end of old credits is no reason to give this month's
        taken = await self._set_aside(taking, touching=touching)
        try:
            return await self._books.order(command, args | {"taken": taken})
        finally:  # what really went has been taken from the counter beside this
            self._books.counters.moved(credits_key(taking.account), taken, touching=touching)

    async def _taking(self, command: str, args: dict[str, Any]) -> Taking | None:
        if command in ASKS:
            asked: Taking | None = await self._books.order(ASKS[command], args)
            return asked
        account = args.get("account")
        if not isinstance(account, str):
            return None
        return takes(command, args, -self._books.counters.limit_of(credits_key(account)))

    async def _set_aside(self, taking: Taking, *, touching: bool) -> int:
        """Take as much as is free. Says how much."""
        counter, taken = Counter(credits_key(taking.account), 0, STANDING), 0
        while taken < taking.amount:
            wanted = taking.amount - taken
            grant = await self._ask(counter, wanted, touching=touching)
            if not grant.granted:
                wanted = min(wanted, grant.remaining)
                if wanted <= 0:
                    break
                grant = await self._ask(counter, wanted, touching=touching)
            taken += wanted * grant.granted
        return taken

    async def _ask(self, counter: Counter, amount: int, *, touching: bool) -> Grant:
        answer: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._books.counters.ask(Ask(LOCAL, counter, amount, amount, answer, touching))
        return await answer
