"""The owner's end of the Unix socket: a line for each worker, and for each visit of the command line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Protocol, cast

import msgspec

from waypost.domain.problems import Problem
from waypost.domain.pulse import PulseDelta
from waypost.store.books import Change, Mark, Retention
from waypost.store.counters import Ask, Counters, Grant
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
    frame,
    packed_changes,
    packed_problem,
    packed_value,
    up_decoder,
)
from waypost.store.rows import Row
from waypost.store.settling import settle
from waypost.store.socket_file import SOCKET, listening_socket, same_user

log = logging.getLogger("waypost.store")
WORKERS_MAX: Final = 63
SILENT_SECONDS_MAX: Final = 1.0
RECALL_SECONDS_MAX: Final = 0.25
LOCAL: Final = -1
"""The owner's own asks."""


class Desk(Protocol):
    """What the office needs of the owner."""

    counters: Counters

    @property
    def trouble(self) -> str | None: ...
    @property
    def taken_numbers(self) -> set[int]: ...
    def take_rows(self, bills: Bills, line: Line) -> None: ...
    def began(self, line: Line) -> None: ...
    def gone(self, line: Line) -> None: ...
    def progress(self, marks: list[Mark]) -> None: ...
    async def run(self, command: str, args: dict[str, Any]) -> Any: ...
    def retain(self, retention: Retention) -> None: ...
    def felt(self, deltas: list[PulseDelta], line: Line) -> None: ...
    def readings(self) -> list[PulseDelta]: ...


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._loop = asyncio.get_running_loop()
        self._unframer = Unframer()
        self._out: list[Any] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._awaiting: list[tuple[int, asyncio.Future[None]]] = []
        self._transport: asyncio.Transport | None = None
        self._seen = 0
        self.pid = 0
        self.number = 0
        """The worker's; 0 for a visit."""
        self.epoch = 0
        """The worker's life, which its open calls belong to."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not same_user(transport.get_extra_info("socket")):
            log.warning("refused another user's connection to the owner's socket")
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for packed in self._unframer.feed(data):
                for message in up_decoder.decode(packed):
                    self._office.heard(self, message)
        except (msgspec.MsgspecError, ValueError) as error:
            log.warning("process %d speaks another language: %s", self.pid, error)
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for _, future in self._awaiting:
            settle(future, None)
        for task in self._tasks:
            task.cancel()
        self._office.left(self)

    def send(self, message: Any) -> None:
        """Say this at the end of the loop's turn, with everything else said in it."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(message)

    def written(self, rows: list[Row], problem: Problem | None, problems: dict[int, Problem]) -> None:
        """These rows of this worker were written, or why not."""
        if problem is not None:
            self.send(Unwritten(len(rows), packed_problem(problem)))
        elif not problems:
            self.send(Written(len(rows)))
        else:
            for row in rows:
                why = problems.get(row[0])
                self.send(Written(1) if why is None else Unwritten(1, packed_problem(why)))

    def told(self, seq: int) -> asyncio.Future[None]:
        """Done when this worker has acknowledged the change, or is gone."""
        future: asyncio.Future[None] = self._loop.create_future()
        if self._transport is None or seq <= self._seen:
            future.set_result(None)
        else:
            self._awaiting.append((seq, future))
        return future

    def seen(self, seq: int) -> None:
        """This worker has acknowledged everything up to `seq`."""
        self._seen = max(self._seen, seq)
        for wanted, future in self._awaiting:
            if wanted <= seq:
                settle(future, None)
        self._awaiting = [(wanted, future) for wanted, future in self._awaiting if wanted > seq]

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that takes more than one turn; it ends with the line."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abort(self) -> None:
        """Cut the line."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None:
            self._transport.write(frame(out))


class Office:
    """Listens, and knows every line."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._lines: set[Line] = set()
        self._server: asyncio.Server | None = None
        self._folder: Path | None = None
        self._seq = 0
        self.on_silent: Callable[[int], None] | None = None
        self._hear: dict[type[Any], Callable[[Line, Any], None]] = {
            Hello: self._hello,
            Bills: lambda line, bills: self._desk.take_rows(bills, line),
            Marks: lambda _, marks: self._desk.progress(marks.marks),
            Question: self._question,
            GivenBack: self._given_back,
            Request: lambda line, request: line.do(self._request(line, request)),
            Seen: lambda line, seen: line.seen(seen.seq),
            Felt: lambda line, felt: self._desk.felt(felt.deltas, line),
            Keep: lambda _, keep: self._desk.retain(keep.retention),
        }

    @property
    def workers(self) -> list[Line]:
        """The lines of processes that serve."""
        return [line for line in self._lines if line.number]

    async def listen(self, folder: Path) -> None:
        """Open the socket."""
        self._folder = folder
        self._server = await self._loop.create_unix_server(lambda: Line(self), sock=listening_socket(folder))

    def close(self) -> None:
        """Cut every line."""
        if self._server is not None and self._folder is not None:
            self._server.close()
            (self._folder / SOCKET).unlink(missing_ok=True)
        for line in list(self._lines):
            line.abort()

    def heard(self, line: Line, message: Any) -> None:
        """A message came in."""
        self._lines.add(line)
        self._hear[type(message)](line, message)

    def left(self, line: Line) -> None:
        """A line is dead, and the process behind it too."""
        self._lines.discard(line)
        if line.number:
            self._desk.counters.workers -= 1
            self._desk.gone(line)

    def tell_changes(self, changes: list[Change]) -> None:
        """Say to every worker what changed."""
        self._seq = changes[-1].seq
        news = News(packed_changes(changes))
        for line in self.workers:
            line.send(news)

    def tell_readings(self, deltas: list[PulseDelta], teller: Line | None) -> None:
        """Say to every worker but the one it comes from how endpoints are doing."""
        readings = Readings(deltas)
        for line in self.workers:
            if line is not teller:
                line.send(readings)

    def tell_condition(self, trouble: str | None) -> None:
        """Say to every worker that nothing can be written, or that it can again."""
        for line in self.workers:
            line.send(Condition(trouble))

    async def all_know(self) -> None:
        """Wait until every worker has acknowledged every change so far; one that does not is cut off and given up."""
        awaited = {line.told(self._seq): line for line in self.workers}
        if not awaited:
            return
        _, silent = await asyncio.wait(awaited, timeout=SILENT_SECONDS_MAX)
        for future in silent:
            line = awaited[future]
            log.error("worker %d (pid %d) did not acknowledge a change within a second", line.number, line.pid)
            if self.on_silent is not None:
                self.on_silent(line.pid)
            line.abort()

    def answer(self, ask: Ask, grant: Grant) -> None:
        """`Post` of Counters."""
        if ask.worker == LOCAL:
            settle(ask.note, grant)
        else:
            line, number = ask.note
            line.send(Answer(number, grant))

    def recall(self, worker: int, key: str, turn: int) -> None:
        """`Post` of Counters."""
        for line in self._lines:
            if line.number == worker:
                line.send(Recall(key))
        # One that has just died answers when its open calls are ended.
        self._loop.call_later(RECALL_SECONDS_MAX, self._desk.counters.overdue, key, turn)

    def _hello(self, line: Line, hello: Hello) -> None:
        line.pid = hello.pid
        if hello.serves:
            taken = {other.number for other in self._lines} | self._desk.taken_numbers
            free = [number for number in range(1, WORKERS_MAX + 1) if number not in taken]
            if not free:
                log.error("there are %d workers already", WORKERS_MAX)
                line.abort()
                return
            line.number = free[0]
            line.seen(self._seq)  # it reads the identities after this
            self._desk.counters.workers += 1
            self._desk.began(line)
        line.send(Welcome(line.number, self._desk.readings()))
        if self._desk.trouble is not None:
            line.send(Condition(self._desk.trouble))

    def _question(self, line: Line, question: Question) -> None:
        self._desk.counters.ask(
            Ask(line.number, question.counter, question.amount, question.unit, (line, question.number))
        )

    def _given_back(self, line: Line, given: GivenBack) -> None:
        key, window, amount, recalled = given.what
        self._desk.counters.returned(line.number, key, window, amount, recalled=recalled)

    async def _request(self, line: Line, request: Request) -> None:
        try:
            value = await self._desk.run(request.command, request.args)
        except Problem as problem:
            line.send(Refused(request.number, packed_problem(problem)))
        else:
            line.send(Result(request.number, packed_value(value)))
