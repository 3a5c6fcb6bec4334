"""Counters for those who watch: bumped once a call, read by whoever scrapes.

`ended` runs on every call, so it costs under a microsecond: a few additions, two binary searches, no labels joined.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from waypost.domain.waybill import Waybill

FIRST_WORD_SECONDS: Final = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 15.0, 30.0, 60.0, 120.0)
CALL_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
GATEWAY_SECONDS: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0)
_first_word_ms = tuple(bound * 1000 for bound in FIRST_WORD_SECONDS)
_call_ms = tuple(bound * 1000 for bound in CALL_SECONDS)
_gateway_ms = tuple(bound * 1000 for bound in GATEWAY_SECONDS)

Labels = tuple[tuple[str, str], ...]


class Histogram(NamedTuple):
    """Counts by bucket, not yet summed up; the last one is everything above the bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Family(NamedTuple):
    """A metric: its name, kind, meaning, and its values by labels."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    help: str
    samples: list[tuple[Labels, float | Histogram]]


class _Tally:
    """What one provider did."""

    __slots__ = (
        "cached_input",
        "call_ms",
        "calls",
        "charge",
        "first_word_ms",
        "first_words",
        "input",
        "output",
        "reasoning",
    )

    def __init__(self) -> None:
        self.input = self.cached_input = self.output = self.reasoning = 0
        self.charge = 0
        self.first_words = [0] * (len(FIRST_WORD_SECONDS) + 1)
        self.first_word_ms = 0.0
        self.calls = [0] * (len(CALL_SECONDS) + 1)
        self.call_ms = 0.0


class Meter:
    """Counts the calls of this process. `also` is told of every call too (telemetry)."""

    def __init__(self, also: Callable[[Waybill], None] | None = None) -> None:
        self._also = also
        self._requests: defaultdict[tuple[str, str | None, str | None], int] = defaultdict(int)
        self._attempts: defaultdict[tuple[str, str | None], int] = defaultdict(int)
        self._providers: defaultdict[str | None, _Tally] = defaultdict(_Tally)
        self._gateway = [0] * (len(GATEWAY_SECONDS) + 1)
        self._gateway_ms = 0.0

    def ended(self, bill: Waybill) -> None:
        """A call ended, however it did."""
        slug = bill.served_by
        self._requests[bill.outcome, bill.code, slug] += 1
        tally = self._providers[slug]
        tally.calls[bisect_left(_call_ms, bill.ms)] += 1
        tally.call_ms += bill.ms
        if bill.attempts:
            for attempt in bill.attempts:
                self._attempts[attempt.provider, attempt.code] += 1
            self._gateway[bisect_left(_gateway_ms, bill.gateway_ms)] += 1
            self._gateway_ms += bill.gateway_ms
        if slug is not None:
            self._served(tally, bill)
        if self._also is not None:
            self._also(bill)

    def _served(self, tally: _Tally, bill: Waybill) -> None:
        first_word = bill.first_word_ms
        if first_word is not None:
            tally.first_words[bisect_left(_first_word_ms, first_word)] += 1
            tally.first_word_ms += first_word
        usage = bill.usage
        if usage is not None:
            tally.input += usage[0]
            tally.cached_input += usage[1]
            tally.output += usage[2]
            tally.reasoning += usage[3]
        tally.charge += bill.charge_nano_usd

    def families(self) -> Iterator[Family]:
        """Everything counted so far."""
        yield Family(
            "waypost_requests_total", "counter", "Calls that ended, by outcome, code and the provider that served.",
            [
                (_labels(outcome=str(outcome), code=code, provider=provider), count)
                for (outcome, code, provider), count in self._requests.items()
            ],
        )  # fmt: skip
        yield Family(
            "waypost_attempts_total", "counter", "Tries at endpoints, by provider and what went wrong.",
            [(_labels(provider=provider, code=code), count) for (provider, code), count in self._attempts.items()],
        )  # fmt: skip
        served = [(slug, tally) for slug, tally in self._providers.items() if slug is not None]
        yield Family(
            "waypost_tokens_total", "counter", "Tokens, by provider and class.",
            [
                (_labels(provider=slug, **{"class": name}), getattr(tally, name))
                for slug, tally in served
                for name in ("input", "cached_input", "output", "reasoning")
            ],
        )  # fmt: skip
        yield Family(
            "waypost_charge_nano_usd_total", "counter", "What calls were charged, by provider, in nano-USD.",
            [(_labels(provider=slug), tally.charge) for slug, tally in served],
        )  # fmt: skip
        yield Family(
            "waypost_first_word_seconds", "histogram", "From the call's first byte to the answer's first word.",
            [
                (_labels(provider=slug), _seconds(FIRST_WORD_SECONDS, tally.first_words, tally.first_word_ms))
                for slug, tally in served
            ],
        )  # fmt: skip
        yield Family(
            "waypost_request_seconds", "histogram", "From the call's first byte to its end.",
            [
                (_labels(provider=slug), _seconds(CALL_SECONDS, tally.calls, tally.call_ms))
                for slug, tally in self._providers.items()
            ],
        )  # fmt: skip
        yield Family(
            "waypost_gateway_seconds", "histogram", "Time in our own code before the first try went out.",
            [((), _seconds(GATEWAY_SECONDS, self._gateway, self._gateway_ms))],
        )  # fmt: skip


def _labels(**labels: str | None) -> Labels:
    return tuple((name, value or "") for name, value in labels.items())


def _seconds(bounds: tuple[float, ...], counts: list[int], sum_ms: float) -> Histogram:
    return Histogram(bounds, tuple(counts), sum_ms / 1000)
