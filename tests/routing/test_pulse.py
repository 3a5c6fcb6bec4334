import msgspec
import pytest
from crossroads import FAILED, SERVED, Clock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from waypost.domain.pulse import CallResult, PulseDelta
from waypost.routing.pulse import Pulse, Reading

KEY = ("acme/one", "alpha")
KEY_REFUSED = CallResult("key", "401: unknown key")


def call(pulse: Pulse, *results: CallResult, key: tuple[str, ...] = KEY) -> None:
    for result in results:
        pulse.started(key)
        pulse.ended(key, result)


def seen(pulse: Pulse, key: tuple[str, ...] = KEY) -> Reading:
    reading = pulse.reading(key)
    assert reading is not None
    return reading


def over_the_wire(deltas: list[PulseDelta]) -> list[PulseDelta]:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(deltas), type=list[PulseDelta])


def test_nothing_is_known_of_an_endpoint_nobody_called() -> None:
    assert Pulse(Clock()).reading(KEY) is None


def test_a_reading_says_what_was_measured_and_how_the_endpoint_is() -> None:
    pulse = Pulse(Clock())
    pulse.started(KEY)
    call(pulse, SERVED)
    reading = seen(pulse)
    assert (reading.state, reading.in_flight, pulse.in_flight) == ("well", 1, 1)
    assert reading.tokens_per_s == pytest.approx(100)
    assert reading.first_word_ms == pytest.approx(100)
    assert reading.calls == 1
    assert list(pulse.readings()) == [reading]


@pytest.mark.parametrize(
    ("results", "state", "seconds"),
    [
        ([FAILED] * 5, "open", 30),
        ([CallResult("rest", retry_after_seconds=7)], "resting", 7),
        ([KEY_REFUSED], "key_refused", 300),
        ([CallResult("none")] * 9, "well", 0),
    ],
)
def test_the_state_says_until_when(results, state, seconds) -> None:
    clock = Clock()
    pulse = Pulse(clock)
    call(pulse, *results)
    reading = seen(pulse)
    assert reading.state == state
    assert reading.until_ms == (clock.now_ms + seconds * 1000 if seconds else 0)


def test_each_key_owner_has_a_health_of_its_own() -> None:
    pulse = Pulse(Clock())
    call(pulse, KEY_REFUSED, key=(*KEY, "ada"))
    call(pulse, SERVED)
    assert seen(pulse).state == "well"
    assert seen(pulse, (*KEY, "ada")).state == "key_refused"


def test_the_operator_is_told_once_that_a_key_is_refused() -> None:
    told: list[object] = []
    clock = Clock()
    pulse = Pulse(clock, on_key_refused=lambda key, why: told.append((key, why)))
    call(pulse, KEY_REFUSED, KEY_REFUSED)
    assert told == [(KEY, "401: unknown key")]
    assert seen(pulse).why == "401: unknown key"
    clock.pass_seconds(301)
    call(pulse, KEY_REFUSED)
    assert len(told) == 2


def test_another_key_is_tried_at_once() -> None:
    pulse = Pulse(Clock())
    call(pulse, KEY_REFUSED)
    pulse.key_changed("beta")
    assert seen(pulse).state == "key_refused"
    pulse.key_changed("alpha")
    assert seen(pulse).state == "well"


def test_an_endpoint_in_no_catalogue_is_forgotten() -> None:
    pulse = Pulse(Clock())
    call(pulse, SERVED)
    call(pulse, SERVED, key=("acme/old", "alpha"))
    pulse.forget({KEY})
    assert [reading.key for reading in pulse.readings()] == [KEY]
    assert [delta.key for delta in pulse.deltas()] == [KEY]


def test_deltas_are_told_once() -> None:
    pulse = Pulse(Clock())
    call(pulse, SERVED)
    pulse.started(KEY)
    assert len(pulse.deltas()) == 1
    assert pulse.deltas() == []


def test_a_call_that_says_nothing_of_the_endpoint_is_not_told() -> None:
    pulse = Pulse(Clock())
    call(pulse, CallResult("none"))
    assert pulse.deltas() == []


def test_failures_of_several_workers_together_open_the_circuit_in_all_of_them() -> None:
    clock = Clock()
    one, two = Pulse(clock), Pulse(clock)
    call(one, SERVED)
    call(two, SERVED)
    one.merge(over_the_wire(two.deltas()))
    two.merge(over_the_wire(one.deltas()))
    call(one, *[FAILED] * 3)
    call(two, *[FAILED] * 2)
    from_one, from_two = over_the_wire(one.deltas()), over_the_wire(two.deltas())
    one.merge(from_two)
    two.merge(from_one)
    assert seen(one).state == seen(two).state == "open"
    clock.pass_seconds(30)
    call(one, FAILED)
    two.merge(over_the_wire(one.deltas()))
    assert seen(two).until_ms == seen(one).until_ms == clock.now_ms + 60_000
    clock.pass_seconds(60)
    call(one, SERVED)
    two.merge(over_the_wire(one.deltas()))
    assert seen(two).state == seen(one).state == "well"


def test_failures_before_a_call_that_was_served_are_not_told() -> None:
    clock = Clock()
    one, two = Pulse(clock), Pulse(clock)
    call(two, SERVED)
    call(one, *[FAILED] * 4, SERVED, FAILED)
    two.merge(one.deltas())
    assert seen(two).failures == seen(one).failures == 1


def test_two_workers_come_to_the_same_speed() -> None:
    clock = Clock()
    one, two = Pulse(clock), Pulse(clock)
    for tokens in (100, 200, 300):
        clock.pass_seconds(60)
        call(one, CallResult("served", first_word_ms=10, output_tokens=tokens, output_ms=1000))
        call(two, CallResult("served", first_word_ms=30, output_tokens=2 * tokens, output_ms=1000))
        from_one, from_two = over_the_wire(one.deltas()), over_the_wire(two.deltas())
        one.merge(from_two)
        two.merge(from_one)
    assert seen(one).tokens_per_s == pytest.approx(seen(two).tokens_per_s)
    assert seen(one).first_word_ms == pytest.approx(20)
    assert seen(one).calls == pytest.approx(seen(two).calls)


@pytest.mark.parametrize("how", ["snapshot", "deltas"])
def test_a_restart_goes_on_where_the_process_before_left(how) -> None:
    clock = Clock()
    before, after = Pulse(clock), Pulse(clock)
    call(before, SERVED, *[FAILED] * 5, CallResult("rest", retry_after_seconds=60))
    after.restore(over_the_wire(getattr(before, how)()))
    assert seen(after) == seen(before)
    clock.pass_seconds(60)
    assert seen(after).state == "half_open"


def test_a_refused_key_is_not_remembered_over_a_restart_because_it_may_be_another_now() -> None:
    before, after = Pulse(Clock()), Pulse(Clock())
    call(before, KEY_REFUSED)
    after.restore(before.snapshot())
    assert seen(after).state == "well"


def test_a_running_worker_hears_of_a_refused_key_and_of_a_rest() -> None:
    one, two = Pulse(Clock()), Pulse(Clock())
    call(two, SERVED)
    call(one, KEY_REFUSED)
    two.merge(one.deltas())
    assert seen(two).state == "key_refused"


def test_what_another_version_wrote_is_left_out() -> None:
    pulse = Pulse(Clock())
    pulse.restore([PulseDelta(KEY, 0, (1.0, 2.0))])
    assert pulse.reading(KEY) is None


class Breaker(RuleBasedStateMachine):
    """The breaker against a plain description of it, under any order of calls, ends and waits."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.pulse = Pulse(self.clock)
        self.vitals = self.pulse.vitals(KEY)
        self.in_flight = 0
        self.in_a_row = 0
        self.opened = 0
        self.open_until = 0

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds: float) -> None:
        self.clock.pass_seconds(seconds)

    @rule()
    def start(self) -> None:
        self.pulse.started(KEY)
        self.in_flight += 1

    @precondition(lambda self: self.in_flight)
    @rule(blame=st.sampled_from(["served", "failure", "failure", "none"]))
    def end(self, blame: str) -> None:
        self.pulse.ended(KEY, CallResult(blame))
        self.in_flight -= 1
        if blame == "served":
            self.in_a_row = self.opened = self.open_until = 0
        elif blame == "failure":
            self.in_a_row += 1
            half_open = self.opened and self.open_until <= self.clock.now_ms
            if half_open or (not self.opened and self.in_a_row >= 5):
                self.opened += 1
                self.open_until = self.clock.now_ms + min(30_000 * self.opened, 300_000)

    @precondition(lambda self: self.opened and self.vitals.shut_until_ms <= self.clock.now_ms)
    @rule()
    def probe(self) -> None:
        self.start()
        assert self.vitals.shut_until_ms > self.clock.now_ms, "one probe at a time"

    @rule()
    def restart(self) -> None:
        after = Pulse(self.clock)
        after.restore(over_the_wire(self.pulse.snapshot()))
        self.pulse, self.vitals, self.in_flight = after, after.vitals(KEY), 0

    @invariant()
    def the_state_is_the_described_one(self) -> None:
        now = self.clock.now_ms
        reading = self.pulse.reading(KEY)
        assert reading is not None
        assert reading.in_flight == self.pulse.in_flight == self.in_flight
        assert reading.failures == self.in_a_row
        expected = "well" if not self.opened else "open" if self.open_until > now else "half_open"
        assert reading.state == expected
        assert self.vitals.shut_until_ms >= self.open_until
        assert self.vitals.shut_until_ms <= now + 300_000
        assert self.opened or self.vitals.shut_until_ms == 0


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_calls_under_way_to_a_forgotten_endpoint_are_not_counted_for_ever() -> None:
    """A share of the calls in flight is the retry budget."""
    pulse = Pulse(Clock())
    pulse.started(KEY)
    pulse.forget(set())
    pulse.ended(KEY, SERVED)
    assert pulse.in_flight == 0
