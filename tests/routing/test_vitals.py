import pytest
from crossroads import FAILED, SERVED, START_MS
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.pulse import CallResult
from waypost.routing.vitals import AGED_MS, HALF_LIFE_MS, PulseSettings, Tally, Vitals

SETTINGS = PulseSettings()


def fail(vitals: Vitals, times: int, now: int = START_MS) -> None:
    for _ in range(times):
        vitals.failed(now, SETTINGS)


def test_an_old_measurement_weighs_half_after_ten_minutes() -> None:
    tally = Tally()
    tally.add(CallResult("served", output_tokens=100, output_ms=1000), START_MS)
    tally.add(CallResult("served", output_tokens=400, output_ms=1000), START_MS + HALF_LIFE_MS)
    assert tally.tokens_per_s == pytest.approx((100 * 0.5 + 400) / 1.5)
    assert tally.calls == pytest.approx(1.5)


def test_what_was_not_timed_is_not_counted() -> None:
    tally = Tally()
    assert not tally.add(CallResult("served"), START_MS)
    assert not tally.add(CallResult("served", output_tokens=5), START_MS)
    assert tally.tokens_per_s is None
    assert tally.first_word_ms is None
    assert tally.recent_until_ms == 0


def test_an_answer_sent_in_one_piece_does_not_look_faster_than_anybody_is() -> None:
    tally = Tally()
    tally.add(CallResult("served", output_tokens=300, output_ms=0.01), START_MS)
    assert tally.tokens_per_s == pytest.approx(10_000)


def test_one_call_counts_as_recent_for_twenty_minutes() -> None:
    tally = Tally()
    tally.add(SERVED, START_MS)
    assert tally.recent_until_ms == START_MS + 2 * HALF_LIFE_MS


samples = st.lists(
    st.tuples(st.integers(0, 3_600_000), st.integers(1, 5000), st.floats(1, 1e5), st.floats(1, 1e5)),
    min_size=1,
    max_size=20,
)


@given(samples)
def test_averages_stay_within_what_was_measured_whatever_the_clock_does(samples) -> None:
    tally = Tally()
    for ago, tokens, output_ms, first_ms in samples:
        tally.add(CallResult("served", "", None, first_ms, tokens, output_ms), START_MS - ago)
    speeds = [min(tokens * 1000 / output_ms, 10_000) for _, tokens, output_ms, _ in samples]
    assert tally.tokens_per_s is not None
    assert min(speeds) * 0.999 <= tally.tokens_per_s <= max(speeds) * 1.001
    assert tally.first_word_ms is not None
    assert min(s[3] for s in samples) * 0.999 <= tally.first_word_ms <= max(s[3] for s in samples) * 1.001


@given(samples, st.integers(0, 20))
def test_two_tallies_merged_are_as_one_that_saw_everything(samples, split) -> None:
    samples = sorted(samples, reverse=True)
    whole, first, second = Tally(), Tally(), Tally()
    for index, (ago, tokens, output_ms, first_ms) in enumerate(samples):
        result = CallResult("served", "", None, first_ms, tokens, output_ms)
        whole.add(result, START_MS - ago)
        (first if index < split else second).add(result, START_MS - ago)
    first.merge(second.sums, second.at_ms)
    whole.decay(first.at_ms)
    assert first.sums == pytest.approx(whole.sums, rel=AGED_MS / HALF_LIFE_MS)  # within a second all weigh the same


def test_the_circuit_opens_after_five_failures_in_a_row_and_no_sooner() -> None:
    vitals = Vitals()
    fail(vitals, 4)
    vitals.served(SERVED, START_MS)
    fail(vitals, 4)
    assert vitals.shut_until_ms == 0
    fail(vitals, 1)
    assert vitals.shut_until_ms == START_MS + 30_000


def test_each_failed_probe_keeps_it_open_longer_up_to_five_minutes() -> None:
    vitals = Vitals()
    fail(vitals, 5)
    rests = []
    for _ in range(12):
        now = vitals.open_until_ms
        vitals.tried(now)
        vitals.failed(now, SETTINGS)
        rests.append(vitals.open_until_ms - now)
    assert rests[:4] == [60_000, 90_000, 120_000, 150_000]
    assert rests[-1] == 300_000


def test_failures_of_calls_sent_before_it_opened_change_nothing() -> None:
    vitals = Vitals()
    fail(vitals, 5)
    fail(vitals, 20, START_MS + 1_000)
    assert vitals.open_until_ms == START_MS + 30_000
    assert vitals.opened == 1


def test_one_probe_shuts_the_door_behind_it_and_its_success_opens_it() -> None:
    vitals = Vitals()
    fail(vitals, 5)
    now = START_MS + 30_000
    assert vitals.half_open(now)
    assert vitals.shut_until_ms <= now
    vitals.tried(now)
    assert vitals.shut_until_ms > now
    vitals.served(SERVED, now)
    assert vitals.shut_until_ms == 0
    assert vitals.failures == 0


def test_a_probe_that_never_ends_does_not_shut_the_endpoint_for_ever() -> None:
    vitals = Vitals()
    fail(vitals, 5)
    now = START_MS + 30_000
    vitals.tried(now)
    assert vitals.shut_until_ms == now + 60_000


@pytest.mark.parametrize(
    ("asked_ms", "rest_ms"),
    [(0, 1_000), (-5, 1_000), (1_000, 1_000), (20_000, 20_000), (300_000, 300_000), (10**9, 300_000), (None, 5_000)],
)
def test_a_rest_is_as_long_as_asked_between_a_second_and_five_minutes(asked_ms, rest_ms) -> None:
    vitals = Vitals()
    vitals.rested(START_MS, asked_ms, SETTINGS)
    assert vitals.shut_until_ms == START_MS + rest_ms


def test_rests_nobody_gave_a_length_to_grow_to_a_minute_and_begin_anew_once_served() -> None:
    vitals = Vitals()
    now = START_MS
    rests = []
    for _ in range(6):
        vitals.rested(now, None, SETTINGS)
        rests.append((vitals.rest_until_ms - now) // 1000)
        now = vitals.rest_until_ms
    assert rests == [5, 10, 20, 40, 60, 60]
    vitals.served(SERVED, now)
    vitals.rested(now, None, SETTINGS)
    assert vitals.rest_until_ms == now + 5_000


def test_a_shorter_rest_never_shortens_a_longer_one() -> None:
    vitals = Vitals()
    vitals.rested(START_MS, 60_000, SETTINGS)
    vitals.rested(START_MS, 1_000, SETTINGS)
    vitals.served(SERVED, START_MS)
    assert vitals.rest_until_ms == START_MS + 60_000


def test_a_refused_key_is_news_once_and_heals_when_a_call_is_served() -> None:
    vitals = Vitals()
    assert vitals.muted(START_MS, "401")
    assert not vitals.muted(START_MS + 1, "401")
    assert vitals.shut_until_ms == START_MS + 1 + 300_000
    vitals.served(SERVED, START_MS + 2)
    assert vitals.shut_until_ms == 0


@pytest.mark.parametrize("asked_ms", [None, 2_000])
def test_being_limited_is_no_failure(asked_ms) -> None:
    vitals = Vitals()
    for _ in range(10):
        vitals.rested(START_MS, asked_ms, SETTINGS)
    assert vitals.failures == 0
    assert vitals.open_until_ms == 0
    assert FAILED.blame == "failure"
