"""A worker's end of the Unix socket: `Books` for a process that serves but does not write."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from waypost.domain.problems import Failed, Problem
from waypost.domain.pulse import PulseDelta
from waypost.domain.waybill import Waybill
from waypost.store.books import Change, Counter, DataError, Mark, Retention, Verdict, ledger_unavailable
from waypost.store.clock import unix_seconds
from waypost.store.frames import (
    Answer,
    Bills,
    Condition,
    Felt,
    GivenBack,
    Hello,
    Keep,
    Marks,
    News,
    Question,
    Readings,
    Recall,
    Refused,
    Request,
    Result,
    Seen,
    Unframer,
    Unwritten,
    Welcome,
    Written,
    down_decoder,
    frame,
    pack_row,
    unpacked_changes,
    unpacked_problem,
    unpacked_value,
)
from waypost.store.listeners import Listeners
from waypost.store.openings import Opening, Openings
from waypost.store.rows import RowMaker, stranger_row
from waypost.store.settling import settle
from waypost.store.slices import Returned, Slices
from waypost.store.socket_file import connected_socket

log = logging.getLogger("waypost.store")
TIDY_SECONDS: Final = 0.5
CONNECT_SECONDS_MAX: Final = 10.0
OWNER_GONE: Final = "The process that owns the data has ended."


class OwnerLink(asyncio.Protocol):
    """Everything said in one turn of the event loop goes up as one frame. Made by `connect`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self.welcomed: asyncio.Future[None] = self._loop.create_future()
        """Done when the owner knows this worker."""
        self._unframer = Unframer()
        self._maker = RowMaker()
        self._out: list[Any] = []
        self._bills: list[tuple[Waybill, asyncio.Future[None]]] = []
        self._strangers: list[Waybill] = []
        self._flushing = False
        self._filed: deque[asyncio.Future[None] | Opening] = deque()
        """Waybills and openings on their way, in the order in which the owner will answer."""
        self._openings = Openings(self._say_opening)
        self._opens: dict[int, Opening] = {}
        """Those to be said with the next frame."""
        self._asked: dict[int, tuple[Counter, int, asyncio.Future[Verdict] | None]] = {}
        self._requested: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._transport: asyncio.Transport | None = None
        self._on_owner_gone: Callable[[], None] | None = None
        self._tidying = self._loop.call_later(TIDY_SECONDS, self._tidy)
        self._changes: Listeners[Change] = Listeners([])
        self._pulse: Listeners[PulseDelta] = Listeners([])
        self._slices = Slices(clock, self._give_back, self._renew)
        self.writer = 0
        self.trouble: str | None = None
        self._hear: dict[type[Any], Callable[[Any], None]] = {
            Welcome: self._welcome,
            Written: self._written,
            Unwritten: self._unwritten,
            Answer: self._answer,
            Recall: lambda recall: self._slices.recall(recall.key),
            Result: lambda result: self._done(result.number, unpacked_value(result.value)),
            Refused: lambda refused: self._done(refused.number, unpacked_problem(refused.problem)),
            News: self._news,
            Condition: self._condition,
            Readings: lambda readings: self._pulse.tell(readings.deltas),
        }

    @classmethod
    async def connect(
        cls,
        folder: Path,
        clock: Callable[[], float] = unix_seconds,
        seconds_max: float = CONNECT_SECONDS_MAX,
    ) -> OwnerLink:
        """Connect to the owner of the data folder, and be known to it when this returns. Raises DataError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds_max
        while (sock := connected_socket(folder)) is None:
            if loop.time() > deadline:
                raise DataError(f"Nobody owns the data folder {folder}.", "Start `waypost serve` for it.")
            await asyncio.sleep(0.01)
        sock.setblocking(False)
        _, link = await loop.create_unix_connection(lambda: cls(clock), sock=sock)
        await link.welcomed
        return link

    def on_owner_gone(self, callback: Callable[[], None]) -> None:
        """Call back when the owner's process ended: this one must end too, and load anew."""
        self._on_owner_gone = callback

    @property
    def unwritten(self) -> int:
        return len(self._bills) + len(self._filed)

    def hold(self, waybill: Waybill) -> None:
        self._openings.hold(waybill, at_once=waybill.request is not None and waybill.request.stream)

    def held(self, waybill: Waybill) -> asyncio.Future[None]:
        if self._transport is not None:
            return self._openings.held(waybill)
        future: asyncio.Future[None] = self._loop.create_future()
        future.set_exception(ledger_unavailable(OWNER_GONE))
        return future

    def progress(self, marks: list[Mark]) -> None:
        self._say(Marks(marks))

    def file(self, waybill: Waybill) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(ledger_unavailable(OWNER_GONE))
            return future
        if waybill.hold is not None:
            opening = self._openings.ended(waybill.id)
            if opening is not None and opening.sent:
                self._opens.pop(waybill.id, None)
        self._bills.append((waybill, future))
        if not self._flushing:
            self._flush_soon()
        return future

    def file_stranger(self, waybill: Waybill) -> None:
        self._strangers.append(waybill)
        self._flush_soon()

    def free(self, counter: Counter) -> int | None:
        return self._slices.free(counter)

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        return self._slices.try_take(counter, amount)

    async def take(self, counter: Counter, amount: int) -> Verdict:
        if self._transport is None:
            raise ledger_unavailable(OWNER_GONE)
        self._slices.surrender(counter)
        answer: asyncio.Future[Verdict] = self._loop.create_future()
        self._ask(counter, amount, amount, answer)
        return await answer

    def give(self, counter: Counter, amount: int) -> None:
        self._slices.give(counter, amount)

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        if self._transport is None:
            raise ledger_unavailable(OWNER_GONE)
        done: asyncio.Future[Any] = self._loop.create_future()
        self._number += 1
        self._requested[self._number] = done
        self._say(Request(self._number, command, args))
        return await done

    def on_changes(self, callback: Callable[[list[Change]], None]) -> None:
        self._changes.add(callback)

    def on_pulse(self, callback: Callable[[list[PulseDelta]], None]) -> None:
        self._pulse.add(callback)

    def send_pulse(self, deltas: list[PulseDelta]) -> None:
        if deltas:
            self._say(Felt(deltas))

    def retain(self, retention: Retention) -> None:
        self._say(Keep(retention))

    async def close(self) -> None:
        """Wait until everything filed is written, and hang up."""
        self._flush()
        waiting = [one for one in self._filed if not isinstance(one, Opening)]
        if waiting:
            await asyncio.wait(waiting)
        self._on_owner_gone = None
        if self._transport is not None:
            self._transport.close()
        self._tidying.cancel()

    # From the socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._say(Hello(os.getpid(), serves=True))

    def data_received(self, data: bytes) -> None:
        for packed in self._unframer.feed(data):
            for message in down_decoder.decode(packed):
                self._hear[type(message)](message)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.trouble = OWNER_GONE
        self._tidying.cancel()
        problem = ledger_unavailable(OWNER_GONE)
        for one in self._filed:
            _settle(one, problem)
        waiting: list[asyncio.Future[Any] | None] = [*self._requested.values(), self.welcomed]
        waiting += [future for _, _, future in self._asked.values()]
        waiting += [future for _, future in self._bills]
        for future in waiting:
            settle(future, problem)
        self._filed.clear()
        self._requested.clear()
        self._asked.clear()
        if self._on_owner_gone is not None:
            self._on_owner_gone()

    def _condition(self, condition: Condition) -> None:
        self.trouble = condition.trouble

    def _welcome(self, welcome: Welcome) -> None:
        self.writer = welcome.writer
        if welcome.readings:
            self._pulse.tell(welcome.readings)
        settle(self.welcomed, None)

    def _written(self, written: Written) -> None:
        popleft = self._filed.popleft
        for _ in range(written.count):
            _settle(popleft(), None)

    def _unwritten(self, unwritten: Unwritten) -> None:
        problem = unpacked_problem(unwritten.problem)
        for _ in range(unwritten.count):
            _settle(self._filed.popleft(), problem)

    def _answer(self, answer: Answer) -> None:
        counter, amount, future = self._asked.pop(answer.number)
        verdict = self._slices.granted(counter, answer.grant)
        if verdict.granted and future is not None and future.done():
            self._slices.give(counter, amount)  # whoever asked has gone meanwhile
        settle(future, verdict)

    def _done(self, number: int, result: Any) -> None:
        settle(self._requested.pop(number, None), result)

    def _news(self, news: News) -> None:
        changes = unpacked_changes(news.changes)
        self._changes.tell(changes)
        self._say(Seen(changes[-1].seq))

    # To the socket.

    def _ask(self, counter: Counter, amount: int, unit: int, answer: asyncio.Future[Verdict] | None) -> None:
        self._number += 1
        self._asked[self._number] = (counter, amount, answer)
        self._say(Question(self._number, counter, amount, max(1, unit)))

    def _renew(self, counter: Counter, unit: int) -> None:
        self._ask(counter, 0, unit, None)

    def _give_back(self, what: Returned) -> None:
        self._say(GivenBack(what))

    def _say(self, message: Any) -> None:
        self._out.append(message)
        self._flush_soon()

    def _flush(self) -> None:
        self._flushing = False
        out, self._out = self._out, []
        if self._bills or self._strangers or self._opens:
            rows = [*self._open_rows(), *self._rows()]
            strangers, self._strangers = self._strangers, []
            prices: list[Any] = self._maker.take_prices()
            out.append(Bills(rows, [stranger_row(bill) for bill in strangers], prices))
        if self._transport is not None and out:
            self._transport.write(frame(out))

    def _say_opening(self, opening: Opening) -> None:
        self._opens[opening.bill.id] = opening
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _open_rows(self) -> list[msgspec.Raw]:
        opens, self._opens = self._opens, {}
        rows = []
        for opening in opens.values():
            try:
                rows.append(msgspec.Raw(pack_row(self._maker.open_row(opening.bill))))
            except Exception as error:
                log.exception("the hold of %s cannot be written", opening.bill.request_id)
                opening.resolve(_unwritable(error))
            else:
                self._filed.append(opening)
        return rows

    def _rows(self) -> list[msgspec.Raw]:
        bills, self._bills = self._bills, []
        rows = []
        for bill, future in bills:
            try:
                rows.append(msgspec.Raw(pack_row(self._maker.row(bill))))
            except Exception as error:  # one waybill nobody can write must not take the others with it
                log.exception("waybill %s cannot be written", bill.request_id)
                settle(future, _unwritable(error))
            else:
                self._filed.append(future)
        return rows

    def _tidy(self) -> None:
        self._tidying = self._loop.call_later(TIDY_SECONDS, self._tidy)
        self._slices.tidy()


def _settle(one: asyncio.Future[None] | Opening, problem: Problem | None) -> None:
    if isinstance(one, Opening):
        one.resolve(problem)
    else:
        settle(one, problem)


def _unwritable(error: Exception) -> Problem:
    return Failed("internal_error", "The record of this request cannot be written.", why=str(error))
