"""The pulse: how every endpoint has been doing, for each key it is called with.

It is told by the courier, read by the planner, and shared with other processes as deltas.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NamedTuple

from waypost.domain.pulse import CallResult, PulseDelta
from waypost.routing.vitals import PulseSettings, Tally, Vitals, Ward

PulseKey = tuple[str, ...]
"""Model, provider and, for a caller's own key, whose it is."""
ENDPOINT: Final = 2
"""So many words name an endpoint; one more, whose key it is called with."""
SUMS: Final = 5
VALUES: Final = 2 * SUMS + 7


class Reading(NamedTuple):
    """An endpoint's state for people and metrics."""

    key: PulseKey
    state: str
    """`well`, `resting`, `open`, `half_open` or `key_refused`."""
    until_ms: int
    """When that state ends by itself; 0 where it does not."""
    failures: int
    in_flight: int
    tokens_per_s: float | None
    first_word_ms: float | None
    calls: float
    """Weight of the measured calls: one each, halved every ten minutes."""
    measured_at_ms: int
    why: str
    """What the provider said about our key, while it refuses it."""


class _News:
    """What happened at an endpoint since the other processes were last told."""

    __slots__ = ("failures", "served", "tally")

    def __init__(self, at_ms: int) -> None:
        self.tally = Tally(at_ms)
        self.served = 0
        self.failures = 0


class Pulse:
    """Vitals by endpoint and key owner. `clock_ms` is Unix milliseconds.

    `on_key_refused` is called once when an endpoint begins to refuse the operator's key, with the endpoint and the
    provider's words.
    """

    def __init__(
        self,
        clock_ms: Callable[[], int],
        settings: PulseSettings | None = None,
        on_key_refused: Callable[[PulseKey, str], None] | None = None,
    ) -> None:
        self._clock_ms = clock_ms
        self._settings = settings or PulseSettings()
        self._on_key_refused = on_key_refused
        self._vitals: dict[PulseKey, Vitals] = {}
        self._wards: dict[str, Ward] = {}
        """By model."""
        self._news: dict[PulseKey, _News] = {}
        self.in_flight = 0
        """Attempts under way in this process."""

    def vitals(self, key: PulseKey) -> Vitals:
        """The live state of an endpoint; the same object until the endpoint is forgotten."""
        found = self._vitals.get(key)
        if found is None:
            shared = self.vitals(key[:2]) if len(key) > ENDPOINT else None
            found = self._vitals[key] = Vitals(self._ward(key[0]), shared)
        return found

    def _ward(self, model: str) -> Ward:
        found = self._wards.get(model)
        if found is None:
            found = self._wards[model] = Ward()
        return found

    def started(self, key: PulseKey) -> None:
        """A call goes out to this endpoint."""
        self.in_flight += 1
        vitals = self._vitals.get(key) or self.vitals(key)
        vitals.in_flight += 1
        if vitals.opened:
            vitals.tried(self._clock_ms())

    def ended(self, key: PulseKey, result: CallResult) -> None:
        """That call ended."""
        now = self._clock_ms()
        vitals = self._vitals.get(key) or self.vitals(key)
        if vitals.in_flight:
            vitals.in_flight -= 1
            self.in_flight -= 1
        if result.blame == "served":
            self._served(key, vitals, result, now)
        elif result.blame == "failure":
            vitals.failed(now, self._settings)
            self._tell(key, now).failures += 1
        elif result.blame == "rest":
            seconds = result.retry_after_seconds
            vitals.rested(now, None if seconds is None else int(seconds * 1000), self._settings)
            self._tell(key, now)
        elif result.blame == "key":
            news = vitals.muted(now, result.why)
            if news and len(key) == ENDPOINT and self._on_key_refused is not None:
                self._on_key_refused(key, result.why)
            self._tell(key, now)
        else:
            vitals.unprobed()

    def key_changed(self, provider: str, owner: str | None = None) -> None:
        """The operator, or the owner of one of its own, has set another key: its endpoints may try again."""
        whose = (provider,) if owner is None else (provider, owner)
        for key, vitals in self._vitals.items():
            if key[1:] == whose and vitals.muted_until_ms:
                vitals.muted_until_ms = 0
                vitals.mute_why = ""
                vitals.settle_shut()

    def forget(self, keep: Collection[tuple[str, str]]) -> None:
        """Drop endpoints that are in no catalogue any more. Plans made before must be forgotten too."""
        for key in [key for key in self._vitals if key[:2] not in keep]:
            self.in_flight -= self._vitals.pop(key).in_flight
            self._news.pop(key, None)
        self._wards = {key[0]: vitals.ward for key, vitals in self._vitals.items()}

    def reading(self, key: PulseKey) -> Reading | None:
        """How an endpoint is doing, None where nothing is known."""
        vitals = self._vitals.get(key)
        return None if vitals is None else _reading(key, vitals, self._clock_ms())

    def readings(self) -> Iterator[Reading]:
        """Everything that is known."""
        now = self._clock_ms()
        return (_reading(key, vitals, now) for key, vitals in self._vitals.items())

    def deltas(self) -> list[PulseDelta]:
        """What happened here since this was last asked, for `Books.send_pulse`."""
        now = self._clock_ms()
        news, self._news = self._news, {}
        return [_delta(key, self.vitals(key), told, now) for key, told in news.items()]

    def snapshot(self) -> list[PulseDelta]:
        """The whole state as deltas that add nothing, so that whoever keeps deltas can keep it too."""
        now = self._clock_ms()
        nothing = _News(now)
        return [_delta(key, vitals, nothing, now) for key, vitals in self._vitals.items()]

    def merge(self, deltas: Iterable[PulseDelta]) -> None:
        """Take in what other processes, or the disk, say.

        An endpoint nothing is known of takes the sender's whole view; others add the sender's news. What cannot be
        read is left out: it was written by another version.
        """
        now = self._clock_ms()
        for delta in deltas:
            if len(delta.values) != VALUES:
                continue
            key = tuple(delta.key)
            at_ms = min(delta.at_ms, now)
            known = self._vitals.get(key)
            if known is None:
                _adopt(self.vitals(key), delta.values, at_ms)
            else:
                _take_in(known, delta.values, at_ms, self._settings)

    def restore(self, kept: Iterable[PulseDelta]) -> None:
        """Begin with what an earlier process left, as `snapshot` or as the newest delta of each endpoint."""
        self.merge(kept)

    def _served(self, key: PulseKey, vitals: Vitals, result: CallResult, now: int) -> None:
        news = self._tell(key, now)
        news.served += 1
        news.failures = 0
        if vitals.served(result, now):
            news.tally.add(result, now)

    def _tell(self, key: PulseKey, now: int) -> _News:
        news = self._news.get(key)
        if news is None:
            news = self._news[key] = _News(now)
        return news


def _reading(key: PulseKey, vitals: Vitals, now: int) -> Reading:
    state, until = _state(vitals, now)
    tally = vitals.tally
    return Reading(
        key,
        state,
        until,
        vitals.failures,
        vitals.in_flight,
        tally.tokens_per_s,
        tally.first_word_ms,
        tally.calls,
        tally.at_ms,
        vitals.mute_why if state == "key_refused" else "",
    )


def _state(vitals: Vitals, now: int) -> tuple[str, int]:
    if vitals.muted_until_ms > now:
        return "key_refused", vitals.muted_until_ms
    if vitals.rest_until_ms > now:
        return "resting", vitals.rest_until_ms
    if vitals.open_until_ms > now:
        return "open", vitals.open_until_ms
    return ("half_open", 0) if vitals.opened else ("well", 0)


# A delta's values: the sums of the news; served, failures since; the sums of the whole view; failures, opened, and
# until when the circuit is open, the endpoint rests, and is muted.


def _delta(key: PulseKey, vitals: Vitals, news: _News, now: int) -> PulseDelta:
    news.tally.decay(now)
    vitals.tally.decay(now)
    times = (vitals.open_until_ms, vitals.rest_until_ms, vitals.muted_until_ms)
    counts = (float(news.served), float(news.failures))
    whole = (*vitals.tally.sums, float(vitals.failures), float(vitals.opened))
    return PulseDelta(key, now, (*news.tally.sums, *counts, *whole, *map(float, times)))


def _adopt(vitals: Vitals, values: tuple[float, ...], at_ms: int) -> None:
    """Take the sender's whole view, but for a refused key: after a restart it may be another one."""
    vitals.tally.merge(values[SUMS + 2 : 2 * SUMS + 2], at_ms)
    failures, opened, open_until, rest_until, _ = map(int, values[2 * SUMS + 2 :])
    vitals.failures = failures
    vitals.opened = opened
    vitals.open_until_ms = open_until
    vitals.rest_until_ms = rest_until
    vitals.moved()
    vitals.settle_shut()


def _take_in(vitals: Vitals, values: tuple[float, ...], at_ms: int, settings: PulseSettings) -> None:
    """Add the sender's news to ours."""
    if any(values[:SUMS]):
        vitals.tally.merge(values[:SUMS], at_ms)
        vitals.moved()
    served, failures = int(values[SUMS]), int(values[SUMS + 1])
    _, opened, open_until, rest_until, muted_until = map(int, values[2 * SUMS + 2 :])
    if served and (vitals.failures or vitals.shut_until_ms):
        vitals.close()
    for _ in range(min(failures, settings.breaker_failures)):
        vitals.failed(at_ms, settings)
    if failures and opened:
        vitals.opened = max(vitals.opened, opened)
        vitals.open_until_ms = max(vitals.open_until_ms, open_until)
    vitals.rest_until_ms = max(vitals.rest_until_ms, rest_until)
    vitals.muted_until_ms = max(vitals.muted_until_ms, muted_until)
    vitals.settle_shut()
