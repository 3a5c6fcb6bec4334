"""How one endpoint has been doing for one key: its measured speed, its breaker, and whether it wants to be left alone.

Words: an endpoint *rests* while its provider wants no calls (429); its *circuit* opens after failures in a row, and
half-opens when its time is up, for one *probe*; it is *muted* while it refuses our key.
"""

from __future__ import annotations

from math import log2
from typing import Final, NamedTuple

from waypost.domain.pulse import CallResult

HALF_LIFE_MS: Final = 600_000
AGED_MS: Final = 1_000
"""Calls that end within a second weigh the same: it is a six-hundredth of the half-life."""
RECENT_CALLS_MIN: Final = 0.25
"""One measured call counts as recent for two half-lives, twenty minutes."""
SECONDS_MIN: Final = 1e-9
"""Less measured time than this has decayed away."""
TOKENS_PER_S_MAX: Final = 10_000
"""Whoever sends a whole answer in one piece seems faster than anybody is."""
PROBE_MS_MAX: Final = 60_000
MUTED_MS: Final = 300_000
REST_MS_MIN: Final = 1_000
REST_MS: Final = 5_000
"""First rest without a Retry-After; each further one in a row is twice as long."""
REST_MS_MAX: Final = 60_000


class PulseSettings(NamedTuple):
    """When breakers open, and for how long."""

    breaker_failures: int = 5
    breaker_rest_ms: int = 30_000
    breaker_rest_ms_max: int = 300_000
    retry_after_ms_max: int = 300_000


class Tally:
    """Sums that lose half their weight every ten minutes. Averages are ratios of two of them."""

    __slots__ = ("at_ms", "calls", "first_words", "first_words_ms", "seconds", "tokens")

    def __init__(self, at_ms: int = 0) -> None:
        self.at_ms = at_ms
        self.tokens = 0.0
        self.seconds = 0.0
        self.first_words_ms = 0.0
        self.first_words = 0.0
        self.calls = 0.0

    @property
    def tokens_per_s(self) -> float | None:
        return self.tokens / self.seconds if self.seconds > SECONDS_MIN else None

    @property
    def first_word_ms(self) -> float | None:
        return self.first_words_ms / self.first_words if self.first_words > SECONDS_MIN else None

    @property
    def recent_until_ms(self) -> int:
        """Until when these measurements are worth going by."""
        if self.calls < RECENT_CALLS_MIN:
            return 0
        return self.at_ms + int(HALF_LIFE_MS * log2(self.calls / RECENT_CALLS_MIN))

    def decay(self, now_ms: int) -> None:
        """Bring the sums to `now_ms`. A clock that goes back changes nothing."""
        aged = now_ms - self.at_ms
        if aged <= 0:
            return
        left = 0.5 ** (aged / HALF_LIFE_MS)
        self.at_ms = now_ms
        self.tokens *= left
        self.seconds *= left
        self.first_words_ms *= left
        self.first_words *= left
        self.calls *= left

    def add(self, result: CallResult, now_ms: int) -> bool:
        """Count a call that was served. Says whether there was anything to learn."""
        tokens, first_ms = result.output_tokens, result.first_word_ms
        timed = tokens > 0 and result.output_ms > 0
        if not timed and first_ms is None:
            return False
        if now_ms - self.at_ms >= AGED_MS:
            self.decay(now_ms)
        if timed:
            self.calls += 1
            self.tokens += tokens
            self.seconds += max(result.output_ms / 1000, tokens / TOKENS_PER_S_MAX)
        if first_ms is not None:
            self.first_words_ms += first_ms
            self.first_words += 1
        return True

    def merge(self, sums: tuple[float, ...], at_ms: int) -> None:
        """Add another tally's sums, the older of the two decayed first."""
        self.decay(at_ms)
        left = 0.5 ** ((self.at_ms - at_ms) / HALF_LIFE_MS)
        tokens, seconds, first_words_ms, first_words, calls = sums
        self.tokens += tokens * left
        self.seconds += seconds * left
        self.first_words_ms += first_words_ms * left
        self.first_words += first_words * left
        self.calls += calls * left

    @property
    def sums(self) -> tuple[float, ...]:
        """All but the time."""
        return (self.tokens, self.seconds, self.first_words_ms, self.first_words, self.calls)


class Ward:
    """What can be seen of all of a model's endpoints at one look, so that a plan need not look at each."""

    __slots__ = ("revision", "shut_until_ms")

    def __init__(self) -> None:
        self.revision = 0
        """Grows whenever the measured figures of one of them change."""
        self.shut_until_ms = 0
        """After it none of them is shut. Before it one may be: it is not taken back where one is well again."""


class Vitals:
    """The state of one endpoint. Plans read the times directly, because a call has no microseconds to give away.

    Every `…_until_ms` is Unix milliseconds, 0 for never. `shut_until_ms` is the latest of them: before it, some rule
    of stage *now* is broken. `revision` grows whenever the measured figures change.
    """

    __slots__ = (
        "failures",
        "in_flight",
        "mute_why",
        "muted_until_ms",
        "open_until_ms",
        "opened",
        "probe_until_ms",
        "rest_until_ms",
        "rests",
        "revision",
        "shared",
        "shut_until_ms",
        "tally",
        "ward",
    )

    def __init__(self, ward: Ward | None = None, shared: Vitals | None = None) -> None:
        self.ward = ward or Ward()
        self.shared = shared
        """Of an own key: the endpoint as all others know it, whose speed is believed until this key's is measured."""
        self.tally = Tally()
        self.failures = 0
        self.opened = 0
        """Times the circuit has opened since a call was last served."""
        self.open_until_ms = 0
        self.probe_until_ms = 0
        self.rest_until_ms = 0
        self.rests = 0
        self.muted_until_ms = 0
        self.mute_why = ""
        self.in_flight = 0
        self.shut_until_ms = 0
        self.revision = 0

    @property
    def figures(self) -> Tally:
        """What is known of the endpoint's speed."""
        if self.shared is None or self.tally.tokens_per_s is not None:
            return self.tally
        return self.shared.tally

    @property
    def figures_revision(self) -> int:
        """Grows whenever those figures may have changed."""
        return self.revision if self.shared is None else self.revision + self.shared.revision

    def half_open(self, now_ms: int) -> bool:
        """The circuit's time is up and nothing has been served since."""
        return self.opened > 0 and self.open_until_ms <= now_ms

    def tried(self, now_ms: int) -> None:
        """A call goes out; on a half-open circuit it is the probe."""
        if self.half_open(now_ms):
            self.probe_until_ms = now_ms + PROBE_MS_MAX
            self.settle_shut()

    def served(self, result: CallResult, now_ms: int) -> bool:
        """A call was served: the breaker closes, and the key is fine. Says whether figures changed."""
        if self.failures or self.rests or self.shut_until_ms:
            self.close()
        learnt = self.tally.add(result, now_ms)
        if learnt:
            self.moved()
        return learnt

    def moved(self) -> None:
        """The measured figures changed."""
        self.revision += 1
        self.ward.revision += 1

    def close(self) -> None:
        """Forget every trouble but a rest that was asked for."""
        self.failures = self.opened = self.rests = 0
        self.open_until_ms = self.probe_until_ms = self.muted_until_ms = 0
        self.mute_why = ""
        self.settle_shut()

    def failed(self, now_ms: int, settings: PulseSettings) -> None:
        """A call failed. While the circuit is open, failures of calls sent earlier change nothing about its time."""
        self.failures += 1
        if self.half_open(now_ms) if self.opened else self.failures >= settings.breaker_failures:
            self.opened += 1
            self.open_until_ms = now_ms + min(settings.breaker_rest_ms * self.opened, settings.breaker_rest_ms_max)
            self.probe_until_ms = 0
            self.settle_shut()

    def rested(self, now_ms: int, retry_after_ms: int | None, settings: PulseSettings) -> None:
        """The provider wants to be left alone. That is no failure: it is alive, and says so."""
        wait = REST_MS << min(self.rests, 8) if retry_after_ms is None else retry_after_ms
        longest = REST_MS_MAX if retry_after_ms is None else settings.retry_after_ms_max
        self.rests += 1
        self.rest_until_ms = max(self.rest_until_ms, now_ms + min(max(wait, REST_MS_MIN), longest))
        self.unprobed()
        self.settle_shut()

    def muted(self, now_ms: int, why: str) -> bool:
        """The provider refuses the key. Says whether that is news."""
        news = self.muted_until_ms <= now_ms
        self.muted_until_ms = now_ms + MUTED_MS
        self.mute_why = why
        self.unprobed()
        self.settle_shut()
        return news

    def unprobed(self) -> None:
        """A probe ended without telling anything: the next call may be one."""
        if self.probe_until_ms:
            self.probe_until_ms = 0
            self.settle_shut()

    def settle_shut(self) -> None:
        """Work out `shut_until_ms` again."""
        self.shut_until_ms = max(self.open_until_ms, self.probe_until_ms, self.rest_until_ms, self.muted_until_ms)
        self.ward.shut_until_ms = max(self.ward.shut_until_ms, self.shut_until_ms)
