"""One attempt at one endpoint, from the request going out to its last byte.

A Flow receives the upstream's callbacks and says two things, each once: whether the endpoint *answers* (its first
word came, or a verdict why not), and how the answer *ended*. Between them a frame takes two plain calls:
`data(bytes)` here, `write(bytes)` on the reply.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from time import perf_counter
from typing import Protocol

import msgspec

from waypost.domain.chat import ChatRequest, Usage
from waypost.domain.endpoints import Deadlines
from waypost.domain.plans import Candidate
from waypost.domain.waybill import Attempt
from waypost.providers.exchange import Exchange, Trouble
from waypost.providers.replies import Blame, Headers, Verdict, judge_error, judge_head
from waypost.providers.watch import Watch

ERROR_BODY_BYTES_MAX = 64 * 1024
REPLY_BYTES_MAX = 64 * 1024 * 1024
ERROR_BODY_SECONDS_MAX = 5.0
"""A refusal's status is known; its words are waited for no longer than this."""
AFTER_END_SECONDS_MAX = 2.0
REQUEST_ID_HEADERS = (b"x-request-id", b"inference-id", b"request-id", b"cf-ray")


class Reply(Protocol):
    """The client's side of the call."""

    def writer(self) -> Callable[[bytes], None]: ...


class NoExchange:
    """Stands where an exchange stood that is over, so that a flow and its exchange do not keep each other alive."""

    connect_ms: float | None = None
    repeats = 0

    def cancel(self) -> None:
        """Nothing is on its way any more."""

    def pause(self) -> None:
        """As `cancel`."""

    def resume(self) -> None:
        """As `cancel`."""


NO_EXCHANGE = NoExchange()


class EndKind(IntEnum):
    """How an answer that had begun ended."""

    DONE = 0
    BROKEN = 1
    GONE = 2


DONE = EndKind.DONE


class End(msgspec.Struct, frozen=True, gc=False):
    """The end of an answer. `usage` is None where the provider gave no believable count."""

    kind: EndKind
    usage: Usage | None = None
    tail: bytes = b""
    """What is kept back until the settlement is durable."""
    words: int = 0
    """Pieces of answer that were handed on, for an estimate."""
    code: str | None = None
    why: str = ""
    reported_nano_usd: int | None = None
    """What the provider itself says it cost."""


HEAD, REFUSED, HOLDING, HELD, POURING, ENDED = range(6)
"""Where a flow stands; it only ever grows. Plain numbers, because they are compared for every frame."""

GONE = Verdict("caller_left", "the caller left before the first word", Blame.NONE, try_next=False)
DRAINING = "draining"


def nowhere(data: bytes) -> None:
    """Where words go that nobody takes any more."""


class Flow(ABC):
    """What every kind of answer shares: the head, verdicts, deadlines, leaving."""

    stream = False

    pouring = False
    """Somebody takes the answer."""
    exchange: Exchange | NoExchange = NO_EXCHANGE
    stage = HEAD
    _ended: asyncio.Future[End] | None = None
    _end: End | None = None
    _error_body = b""
    _headers: Headers = {}  # noqa: RUF012 (replaced whole, never changed)
    _bytes = 0
    _open = True
    _paused = False
    _delivered: int | None = None
    """Pieces of answer that were handed on when the caller left; None while it is here."""

    def __init__(
        self, candidate: Candidate, ask: ChatRequest, deadlines: Deadlines, started: float, watch: Watch
    ) -> None:
        self.candidate = candidate
        endpoint, provider = candidate[:2]
        self.key = candidate.pulse_key
        self.ask = ask
        self.attempt = Attempt(provider.slug, endpoint.id)
        self._deadlines = deadlines
        self._call_ends = self.due = started + deadlines.call_seconds_max
        self._watch = watch
        self._began = self._heard = perf_counter()
        self.answers: asyncio.Future[Verdict | None] = watch.loop.create_future()
        """None once the first word is here; else why this endpoint does not serve the call."""
        watch.add(self)

    # What the courier asks.

    async def pour(self, reply: Reply) -> End:
        """Hand the answer on as it comes; the tail is kept back."""
        self._write = reply.writer()
        self.pouring = True
        self._release()
        if self._end is None:
            self._ended = self._watch.loop.create_future()
            await self._ended
        self._write = nowhere
        if self._open:
            # The answer is complete; give the connection a moment to become free for the next call.
            self._watch.loop.call_later(AFTER_END_SECONDS_MAX, self._let_go)
        assert self._end is not None  # noqa: S101 (set before _ended is)
        return self._end

    def closing(self, usage: Usage | None, cost_nano_usd: int, warning: str = "") -> bytes:
        """What stands before the tail: a stream's usage frame, with what the call cost."""
        return b""

    def words(self) -> int:
        """Pieces of answer that were handed on so far."""
        return 0

    def elapsed_ms(self) -> float:
        """Since this attempt began."""
        return (perf_counter() - self._began) * 1000

    def leave(self) -> None:
        """The caller went away. Where the provider bills on all the same, its answer is read on for what it counts."""
        if self._end is not None or self.stage == ENDED:
            return
        self._delivered = self.words()
        if self._bills_on() and self._watch.drains.take(self):
            self._drain()
        else:
            self.let_go()

    def let_go(self) -> None:
        """Nobody needs this answer any more."""
        if self.stage < HELD:
            self._refuse(GONE)
        elif self._end is None:
            self._let_go()
            self._finish(self._came_to(EndKind.GONE))

    def _bills_on(self) -> bool:
        """Credits pay for it, and the provider does not stop counting when it is cancelled."""
        candidate = self.candidate
        paid = candidate.endpoint.price is not None and candidate.own_key is None
        return paid and self._open and not candidate.provider.stops_billing_on_cancel

    def _drain(self) -> None:
        now = perf_counter()
        self._call_ends = min(self._call_ends, now + self._watch.drains.seconds_max)
        self.due = min(self.due, self._call_ends)
        if self._paused:
            self.on_room()

    def cut(self) -> None:
        """Time to drain is up."""
        if self.stage < HELD:
            self._refuse(Verdict(DRAINING, "the server is shutting down", Blame.NONE, try_next=False))
        else:
            self._break(DRAINING, "the server is shutting down")

    def on_full(self) -> None:
        """The client reads too slowly: stop reading upstream."""
        self._paused = True
        self.exchange.pause()

    def on_room(self) -> None:
        """The client caught up."""
        self._paused = False
        self._heard = perf_counter()
        self.exchange.resume()

    # What the upstream tells.

    def head(self, status: int, headers: Headers) -> None:
        """Status and header fields of the provider's reply."""
        self._headers = headers
        attempt = self.attempt
        attempt.status = status
        attempt.connect_ms = self.exchange.connect_ms
        for name in REQUEST_ID_HEADERS:
            if name in headers:
                attempt.upstream_request_id = headers[name][:128].decode("ascii", "replace")
                break
        if 200 <= status < 300:
            verdict = judge_head(status, headers, stream=self.stream)
            if verdict is None:
                self.stage = HOLDING
            else:
                self._refuse(verdict)
        else:
            self.stage = REFUSED
            self.due = min(self.due, perf_counter() + ERROR_BODY_SECONDS_MAX)

    def data(self, data: bytes) -> None:
        """A piece of the provider's body."""
        if self.stage == ENDED:
            return
        self._bytes += len(data)
        if self.stage == REFUSED:
            self._error_body += data
            if self._bytes > ERROR_BODY_BYTES_MAX:
                self._judge_refusal()
        elif self._bytes > REPLY_BYTES_MAX:
            self._break("upstream_error", f"the reply is longer than {REPLY_BYTES_MAX} bytes")
        else:
            self._heard = perf_counter()
            self._take(data)

    def eof(self) -> None:
        """The provider's reply is complete."""
        self._over()
        if self.stage == REFUSED:
            self._judge_refusal()
        elif self.stage != ENDED:
            self._complete()

    def lost(self, trouble: Trouble) -> None:
        """The connection failed before the reply was complete."""
        self._over()
        if self.stage == ENDED:
            return
        if self.stage == REFUSED:
            self._judge_refusal()
        elif self.stage < HELD:
            code = "provider_timeout" if trouble.code == "connect_timeout" else "provider_failed"
            self._refuse(Verdict(code, trouble.why, status=self.attempt.status))
        else:
            self._cut_off(trouble.why)

    # What each kind of answer does in its own way.

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """A piece of an answer's body."""

    @abstractmethod
    def _complete(self) -> None:
        """The body is complete."""

    def _release(self) -> None:  # noqa: B027 (what comes in one piece holds nothing back)
        """Let go what was held back before the first word."""

    def _usage(self) -> Usage | None:
        return None

    def _cost(self) -> int | None:
        return None

    def _came_to(self, kind: EndKind, code: str | None = None, why: str = "") -> End:
        """What there is of an answer that stops before its end."""
        return End(kind, self._usage(), b"", self.words(), code, why, self._cost())

    def _cut_off(self, why: str) -> None:
        self._break("upstream_error", why)

    # Verdicts and ends.

    def _say_first_word(self) -> None:
        self.stage = HELD
        self.attempt.first_word_ms = (self._heard - self._began) * 1000
        if not self.answers.done():
            self.answers.set_result(None)

    def _refuse(self, verdict: Verdict) -> None:
        """This endpoint does not serve the call."""
        self.stage = ENDED
        self._watch.drop(self)
        if self._delivered is not None:
            self._watch.drains.drop(self)
        self._let_go()
        if not self.answers.done():
            self.answers.set_result(verdict)

    def _break(self, code: str, why: str) -> None:
        """The answer cannot be completed."""
        if self.stage < HELD:
            self._refuse(Verdict("provider_failed", why, status=self.attempt.status))
        elif self._end is None:
            self._let_go()
            self._finish(
                End(
                    EndKind.BROKEN,
                    self._usage(),
                    words=self.words(),
                    code=code,
                    why=why,
                    reported_nano_usd=self._cost(),
                )
            )

    def _finish(self, end: End) -> None:
        self.stage = ENDED
        if self._delivered is not None:
            end = End(EndKind.GONE, end.usage, words=self._delivered, reported_nano_usd=end.reported_nano_usd)
            self._watch.drains.drop(self)
        self._end = end
        self._watch.drop(self)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(end)

    def _judge_refusal(self) -> None:
        secrets = self.candidate.provider.secrets
        self._refuse(judge_error(self.attempt.status, self._headers, self._error_body, datetime.now(UTC), secrets))

    def _let_go(self) -> None:
        if self._open:
            self.exchange.cancel()
            self._over()

    def _over(self) -> None:
        """No more is to come from upstream."""
        self._open = False
        self.attempt.repeats = self.exchange.repeats
        self.exchange = NO_EXCHANGE

    # Deadlines.

    def overdue(self, now: float) -> None:
        """A deadline has passed, or would have without the words that came since: end, or say when to look again."""
        if self.stage == REFUSED:
            self._judge_refusal()
        elif self.stage < HELD and self._delivered is not None:
            self.let_go()
        elif self.stage < HELD:
            seconds = now - self._began
            self._refuse(Verdict("provider_timeout", f"no word within {seconds:.3g} s", status=self.attempt.status))
        elif now >= self._call_ends:
            self._break("upstream_error", f"the call took longer than {self._deadlines.call_seconds_max:g} s")
        elif self.stage != ENDED:
            silent = 0.0 if self._paused else now - self._heard
            if silent >= self._deadlines.silence_seconds_max:
                self._break("upstream_error", f"the provider was silent for {silent:.3g} s")
            else:
                self._look_again(now - silent)

    def _look_again(self, heard: float) -> None:
        """Due when nothing more was heard for too long, or the whole call took too long."""
        self.due = min(heard + self._deadlines.silence_seconds_max, self._call_ends)
