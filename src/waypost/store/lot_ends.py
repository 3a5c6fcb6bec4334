"""Ends credits whose time is over, month after month, without anybody asking for it.

What calls hold of such credits stays until they have ended: the next round takes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from waypost.domain.ledger import Movement
from waypost.domain.problems import Problem
from waypost.store.accounts import Due
from waypost.store.credits import Taking
from waypost.store.reserve import EXPIRE, Books, Reserve

log = logging.getLogger("waypost.store")
TOGETHER: Final = 32
"""So many are ended in one commit, at most: calls wait for it."""


class LotEnds:
    """Made for one event loop."""

    def __init__(self, books: Books, reserve: Reserve) -> None:
        self._books = books
        self._reserve = reserve
        self._round: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin a round, unless one is under way."""
        if self._round is None or self._round.done():
            self._round = asyncio.get_running_loop().create_task(self._end_some())

    def stop(self) -> None:
        """No more of it."""
        if self._round is not None:
            self._round.cancel()

    async def end_due(self) -> None:
        """End everything that is due, as far as it is free. Raises Problem where nothing can be written."""
        some = True
        while some:
            due: list[Due] = await self._books.order("credits.due", {})
            some = False
            for first in range(0, len(due), TOGETHER):
                some |= await self._end(due[first : first + TOGETHER])

    async def _end(self, due: Sequence[Due]) -> bool:
        """Whether anything of these was taken back."""
        done: list[Movement] = await asyncio.gather(
            *(self._reserve.run_taking(Taking(one.account, one.remaining), EXPIRE, {"lot": one.lot}) for one in due)
        )
        return any(one.moved for one in done)

    async def _end_some(self) -> None:
        try:
            await self.end_due()
        except Problem as problem:  # the next round finds the same again
            log.warning("credits whose time is over could not be ended: %s", problem)
        except Exception:
            log.exception("a bug in ending credits")
