import pytest
from crossroads import SERVED, Crossroads, caller, endpoint, model, provider, usd

from waypost.domain.pulse import CallResult
from waypost.routing.shortlist import RERANK_MS
from waypost.routing.vitals import HALF_LIFE_MS

TWO = model("alpha", "beta")


def fast(tokens_per_s: int) -> CallResult:
    return CallResult("served", first_word_ms=10, output_tokens=tokens_per_s, output_ms=1000)


def test_the_order_follows_what_is_measured_within_a_second() -> None:
    roads = Crossroads(TWO)
    assert roads.order() == ["alpha", "beta"]
    roads.end("beta", fast(50))
    assert roads.order() == ["beta", "alpha"]
    roads.end("alpha", fast(80))
    assert roads.order() == ["beta", "alpha"]
    roads.clock.pass_seconds(RERANK_MS / 1000)
    assert roads.order() == ["alpha", "beta"]
    assert roads.plan().order[0].why == "80 tokens/s measured over 1 recent call"


def test_a_plan_that_nothing_changed_for_is_the_same_object() -> None:
    roads, who = Crossroads(TWO), caller()
    assert roads.plan(None, who) is roads.plan(None, who)


def test_what_another_worker_has_learnt_counts_too() -> None:
    roads, other = Crossroads(TWO), Crossroads(TWO)
    assert roads.order() == other.order() == ["alpha", "beta"]
    other.end("beta", fast(50))
    roads.pulse.merge(other.pulse.deltas())
    assert roads.order() == ["beta", "alpha"]
    other.end("beta", CallResult("rest", retry_after_seconds=20))
    roads.pulse.merge(other.pulse.deltas())
    assert roads.order() == ["alpha"]


def test_a_plan_stays_the_same_object_where_new_figures_say_the_same() -> None:
    roads, who = Crossroads(TWO), caller()
    roads.end("alpha", fast(100))
    before = roads.plan(None, who)
    roads.clock.pass_seconds(2 * HALF_LIFE_MS / 1000)
    roads.end("alpha", fast(100))
    assert roads.plan(None, who) is before
    roads.clock.pass_seconds(RERANK_MS / 1000)
    roads.end("alpha", fast(100))
    assert roads.plan(None, who).order[0].why == "100 tokens/s measured over 2 recent calls"


def test_a_resting_endpoint_is_left_out_until_its_rest_is_over() -> None:
    roads = Crossroads(TWO)
    roads.end("alpha", CallResult("rest", retry_after_seconds=20))
    assert roads.order() == ["beta"]
    (exclusion,) = roads.plan().excluded
    assert (exclusion.provider, exclusion.reason) == ("alpha", "rate_limited")
    assert exclusion.until == "2026-09-21T14:13:40.000Z"
    roads.clock.pass_seconds(20)
    assert roads.order() == ["alpha", "beta"]


def test_the_reason_changes_when_a_rest_ends_before_the_circuit_does() -> None:
    roads = Crossroads(TWO)
    roads.break_circuit("alpha")
    roads.end("alpha", CallResult("rest", retry_after_seconds=10))
    assert roads.excluded() == {"alpha": "rate_limited"}
    roads.clock.pass_seconds(10)
    assert roads.excluded() == {"alpha": "circuit_open"}
    roads.clock.pass_seconds(20)
    assert roads.excluded() == {}


def test_one_call_probes_a_half_open_circuit_while_the_others_pass_it_by() -> None:
    roads = Crossroads(TWO)
    roads.break_circuit("alpha")
    roads.clock.pass_seconds(30)
    assert roads.order() == ["alpha", "beta"]
    roads.pulse.started(("acme/one", "alpha"))
    assert roads.order() == ["beta"]
    assert "one call is trying it again" in roads.plan().excluded[0].why
    roads.pulse.ended(("acme/one", "alpha"), SERVED)
    assert roads.order() == ["alpha", "beta"]


def test_the_only_endpoint_of_a_model_is_never_shut_by_a_breaker() -> None:
    roads = Crossroads(model("alpha"))
    roads.break_circuit("alpha")
    assert roads.order() == ["alpha"]
    roads.clock.pass_seconds(30)
    roads.pulse.started(("acme/one", "alpha"))
    assert roads.order() == ["alpha"]


def test_of_two_broken_endpoints_the_one_that_broke_last_stays() -> None:
    roads = Crossroads(TWO)
    roads.break_circuit("alpha")
    roads.clock.pass_seconds(1)
    roads.break_circuit("beta")
    assert roads.order() == ["beta"]
    assert roads.excluded() == {"alpha": "circuit_open"}


def test_an_endpoint_without_a_key_is_nobody_to_fall_back_on() -> None:
    roads = Crossroads(TWO, beta=provider("beta", keyless=False))
    roads.break_circuit("alpha")
    assert roads.order() == ["alpha"]


def test_a_resting_endpoint_is_nobody_to_fall_back_on_and_stays_left_alone() -> None:
    roads = Crossroads(TWO)
    roads.break_circuit("alpha")
    roads.end("beta", CallResult("rest", retry_after_seconds=20))
    assert roads.order() == ["alpha"]
    assert roads.excluded() == {"beta": "rate_limited"}


def test_a_call_pinned_to_a_broken_endpoint_waits_while_the_model_has_another() -> None:
    roads = Crossroads(TWO)
    roads.break_circuit("alpha")
    assert roads.order("alpha") == []
    assert roads.excluded("alpha") == {"alpha": "circuit_open", "beta": "pinned_elsewhere"}


SIZES = model(
    endpoint("alpha", context_length=1_000, output_tokens_per_s=900.0),
    endpoint("beta", context_length=10_000, output_tokens_max=2_000, output_tokens_per_s=500.0),
)


@pytest.mark.parametrize(
    ("more", "order"),
    [
        ({"input_tokens_max": 4_000}, ["alpha", "beta"]),
        ({"input_tokens_max": 4_004}, ["beta"]),
        ({"input_tokens_max": 40, "output_tokens_max": 990}, ["alpha", "beta"]),
        ({"input_tokens_max": 40, "output_tokens_max": 991}, ["beta"]),
        ({"input_tokens_max": 4_000, "images": 1}, ["beta"]),
        ({"input_tokens_max": 40_004}, ["beta"]),
        ({"input_tokens_max": 60_006}, []),
        ({"input_tokens_max": 59_000}, ["beta"]),
        ({"input_tokens_max": 5_000, "output_tokens_max": 2_001}, ["alpha"]),
    ],
)
def test_a_long_request_goes_where_there_is_room_and_is_refused_only_where_it_surely_has_none(more, order) -> None:
    assert Crossroads(SIZES).order(**more) == order


def test_a_long_request_waits_for_the_one_that_has_room_only_if_no_other_may_take_it() -> None:
    roads = Crossroads(SIZES)
    roads.end("beta", CallResult("rest", retry_after_seconds=20))
    assert roads.order(input_tokens_max=5_000) == ["alpha"]
    assert roads.order(input_tokens_max=20_000) == []


def test_an_endpoint_that_is_too_small_and_rests_is_too_small_because_waiting_will_not_help() -> None:
    roads = Crossroads(SIZES)
    roads.end("alpha", CallResult("rest", retry_after_seconds=20))
    assert roads.excluded(input_tokens_max=5_000) == {"alpha": "context_too_long"}


def test_cheapest_follows_the_size_of_each_request() -> None:
    roads = Crossroads(model(endpoint("alpha", price=usd(1.0, 2.0)), endpoint("beta", price=usd(0.1, 5.0))))
    assert roads.order("cheapest", input_tokens_max=400) == ["alpha", "beta"]
    assert roads.order("cheapest", input_tokens_max=400_000) == ["beta", "alpha"]
    assert roads.order("cheapest", input_tokens_max=400) == ["alpha", "beta"]


def test_a_small_share_of_calls_measures_what_was_not_measured_lately() -> None:
    roads = Crossroads(TWO)
    roads.end("alpha", fast(100))
    roads.dice.value = 0.019
    explored = roads.plan()
    assert explored.explored
    assert [c.provider.slug for c in explored.order] == ["beta", "alpha"]
    assert explored.order[0].why.startswith("put first to be measured again; ")
    roads.dice.value = 0.02
    assert not roads.plan().explored


def test_every_endpoint_that_was_not_measured_lately_gets_its_turn() -> None:
    slugs = ["p0", "p1", "p2", "p3", "p4"]
    roads = Crossroads(model(*slugs))
    roads.end("p0", fast(100))
    turns = set()
    for step in range(16):
        roads.dice.value = 0.02 * step / 16
        turns.add(roads.order()[0])
    assert turns == set(slugs) - {"p0"}


@pytest.mark.parametrize("tag", ["cheapest", "preferred", "beta"])
def test_only_fastest_explores(tag) -> None:
    roads = Crossroads(TWO)
    roads.dice.value = 0.0
    assert not roads.plan(tag).explored


def test_an_endpoint_that_failed_lately_is_not_explored() -> None:
    roads = Crossroads(TWO)
    roads.end("alpha", fast(100))
    roads.end("beta", CallResult("failure"))
    roads.dice.value = 0.0
    assert roads.order() == ["alpha", "beta"]


def test_a_measurement_is_explored_again_once_it_is_old() -> None:
    roads = Crossroads(TWO)
    roads.end("alpha", fast(100))
    roads.end("beta", fast(50))
    roads.dice.value = 0.0
    assert roads.order() == ["alpha", "beta"]
    roads.clock.pass_seconds(1300)
    roads.end("alpha", fast(100))
    assert roads.order() == ["beta", "alpha"]
