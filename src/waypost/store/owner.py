"""The owner: the one object that writes. With one process it lives in it; with workers, in their parent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from waypost.domain.problems import Problem
from waypost.domain.pulse import PulseDelta
from waypost.domain.waybill import Waybill
from waypost.store.books import Change, Counter, StoreSettings, Verdict
from waypost.store.sqlite.folder import FolderLock, open_reader, open_writer
from waypost.store.sqlite.identities import changes_since, last_seq
from waypost.store.sqlite.writer import Batch, Order, Writer


def unix_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Owner:
    """`Books` in the process that holds the only write connection."""

    writer = 0

    def __init__(self, settings: StoreSettings, clock_ms: Callable[[], int] = unix_ms) -> None:
        self._settings = settings
        self._clock_ms = clock_ms
        self._lock = FolderLock(settings.folder)
        self._lock.take()
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(
            open_writer(settings.folder), self._committed, self._died, clock_ms, settings.retry_seconds_max
        )
        self._reader = open_reader(settings.folder)
        self._seq = last_seq(self._reader)
        self._change_callbacks: list[Callable[[list[Change]], None]] = []
        self._fatal_callback: Callable[[BaseException], None] | None = None
        self._used: dict[str, tuple[int, int]] = {}
        self._writer.start()

    def file(self, waybill: Waybill) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        self._writer.bills.append((waybill, future))
        self._writer.ring()
        return future

    def file_stranger(self, waybill: Waybill) -> None:
        self._writer.strangers.append(waybill)
        self._writer.ring()

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        now = self._clock_ms() // 1000
        window = now // counter.window_seconds if counter.window_seconds else 0
        seen, used = self._used.get(counter.key, (window, 0))
        used = used if seen == window else 0
        reset = counter.window_seconds - now % counter.window_seconds if counter.window_seconds else 0
        if used + amount > counter.limit:
            return Verdict(False, max(0, counter.limit - used), reset)
        self._used[counter.key] = (window, used + amount)
        return Verdict(True, counter.limit - used - amount, reset)

    async def take(self, counter: Counter, amount: int) -> Verdict:
        verdict = self.try_take(counter, amount)
        if verdict is None:
            raise AssertionError("the owner decides at once")
        return verdict

    def give(self, counter: Counter, amount: int) -> None:
        window, used = self._used.get(counter.key, (0, 0))
        self._used[counter.key] = (window, max(0, used - amount))

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._writer.orders.append(Order(command, args, future))
        self._writer.ring()
        return await future

    def on_changes(self, callback: Callable[[list[Change]], None]) -> None:
        self._change_callbacks.append(callback)

    def on_pulse(self, callback: Callable[[list[PulseDelta]], None]) -> None:
        """Readings of other processes: there are none yet."""

    def send_pulse(self, deltas: list[PulseDelta]) -> None:
        """Nobody to tell yet."""

    def on_fatal(self, callback: Callable[[BaseException], None]) -> None:
        """Call back when nothing can be written any more and nobody knows what was: the process must end with 75."""
        self._fatal_callback = callback

    async def close(self) -> None:
        """Write what is queued and let the folder go."""
        await asyncio.to_thread(self._writer.stop)
        self._reader.close()
        self._lock.release()

    def _committed(self, batch: Batch) -> None:
        self._loop.call_soon_threadsafe(self._resolve, batch)

    def _resolve(self, batch: Batch) -> None:
        for _, future in batch.bills:
            _settle(future, batch.problem)
        if batch.orders:
            self._tell_changes()
        for order, result in zip(batch.orders, batch.results or [batch.problem] * len(batch.orders), strict=True):
            _settle(order.done, batch.problem or result)

    def _tell_changes(self) -> None:
        changes = changes_since(self._reader, self._seq)
        if changes:
            self._seq = changes[-1].seq
            for callback in self._change_callbacks:
                callback(changes)

    def _died(self, error: BaseException) -> None:
        if self._fatal_callback is not None:
            self._loop.call_soon_threadsafe(self._fatal_callback, error)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, Problem):
        future.set_exception(result)
    else:
        future.set_result(result)
