import msgspec
import pytest
from crossroads import Crossroads, ask, caller, endpoint, model, provider

from waypost.domain.chat import Need
from waypost.domain.endpoints import Preferences
from waypost.domain.problems import Refusal
from waypost.domain.pulse import CallResult

THREE = model("alpha", "beta", "gamma")
KEY = CallResult("key", "401")


def rest(seconds: int) -> CallResult:
    return CallResult("rest", retry_after_seconds=seconds)


def refusal(roads: Crossroads, *args, **more) -> Refusal:
    plan = roads.plan(*args, **more)
    assert plan.order == ()
    refused = roads.planner.refusal(plan, ask(**more))
    assert msgspec.json.encode(refused.extra)
    assert [row["provider"] for row in refused.extra["excluded"]] == [e.provider for e in plan.excluded]
    assert refused.fix
    return refused


def test_where_all_rest_the_caller_is_told_the_smallest_wait() -> None:
    roads = Crossroads(THREE)
    for slug, seconds in (("alpha", 40), ("beta", 20), ("gamma", 30)):
        roads.end(slug, rest(seconds))
    roads.clock.pass_seconds(0.5)
    refused = refusal(roads)
    assert (refused.code, refused.status, refused.retry_after_seconds) == ("providers_busy", 429, 20)
    assert "first is back in 20 s" in refused.message
    assert refused.extra["excluded"][1]["until"] == "2026-09-21T14:13:40.000Z"


def test_waiting_is_advised_where_one_rests_and_the_others_never_could() -> None:
    roads = Crossroads(THREE, beta=provider("beta", disabled=True), gamma=provider("gamma", keyless=False))
    roads.end("alpha", rest(9))
    refused = refusal(roads)
    assert (refused.code, refused.retry_after_seconds) == ("providers_busy", 9)
    assert "beta" not in refused.why


def test_a_broken_pinned_endpoint_says_when_it_is_tried_again() -> None:
    roads = Crossroads(THREE)
    roads.break_circuit("alpha")
    refused = refusal(roads, "alpha")
    assert (refused.code, refused.retry_after_seconds) == ("providers_busy", 30)
    roads.clock.pass_seconds(30)
    roads.pulse.started(("acme/one", "alpha"))
    assert refusal(roads, "alpha").retry_after_seconds == 1


def test_a_request_too_long_for_all_that_could_serve_it_says_how_long_each_may_be() -> None:
    roads = Crossroads(
        model(endpoint("alpha", context_length=1000), endpoint("beta", context_length=2000), "gamma"),
        gamma=provider("gamma", disabled=True),
    )
    refused = refusal(roads, input_tokens_max=60_000)
    assert (refused.code, refused.status, refused.param) == ("context_too_long", 400, "messages")
    assert refused.why == (
        "About 10000 tokens were counted; alpha takes 1000. About 10000 tokens were counted; beta takes 2000."
    )


def test_a_key_that_every_provider_refuses_is_not_the_callers_fault() -> None:
    roads = Crossroads(THREE)
    for slug in ("alpha", "beta", "gamma"):
        roads.end(slug, KEY)
    refused = refusal(roads)
    assert (refused.code, refused.status) == ("provider_refused_key", 502)
    assert "Your token is fine" in refused.fix


def test_otherwise_every_endpoint_is_named_with_its_reason() -> None:
    no_tools = endpoint("gamma", abilities=Need.NOTHING, abilities_known=True)
    roads = Crossroads(model("alpha", "beta", no_tools), beta=provider("beta", keyless=False))
    refused = refusal(roads, None, caller(Preferences(disabled=frozenset({"alpha"}))), needs=Need.TOOLS)
    assert (refused.code, refused.status, refused.param) == ("model_not_supported", 400, "model")
    reasons = {row["provider"]: row["reason"] for row in refused.extra["excluded"]}
    assert reasons == {"alpha": "disabled_by_user", "beta": "no_key", "gamma": "no_tools"}
    assert refused.message.endswith(
        "by any provider: You have disabled alpha in your settings. This router has no key for beta. "
        "gamma offers no tools for acme/one."
    )
    assert refused.fix == "Leave `tools` out, or use a provider or model that has them."


def test_a_reason_that_does_not_name_its_provider_gets_the_name_before_it() -> None:
    """A publisher of the same name, or a provider whose name is part of another's, names nobody."""
    retired = model("acme", "al", retired="2026-06-01")
    assert refusal(Crossroads(retired)).why == (
        "acme: acme/one is retired since 2026-06-01. al: acme/one is retired since 2026-06-01."
    )
    pinned = model("al", "al-pha", name="acme/two")
    refused = refusal(Crossroads(pinned, **{"al-pha": provider("al-pha", disabled=True)}), "al-pha", model="acme/two")
    assert refused.why == "al: The request asks for al-pha alone. The operator has disabled al-pha."


def test_a_model_nobody_runs_is_not_supported() -> None:
    refused = refusal(Crossroads(model()))
    assert refused.code == "model_not_supported"
    assert "no provider runs acme/one" in refused.message


def test_a_retired_model_says_since_when() -> None:
    assert "retired since 2026-06-01" in refusal(Crossroads(model("alpha", retired="2026-06-01"))).message


def test_a_long_list_of_endpoints_is_cut_in_the_message_and_whole_in_the_evidence() -> None:
    slugs = [f"p{n}" for n in range(12)]
    roads = Crossroads(model(*slugs))
    refused = refusal(roads, None, caller(providers=frozenset()))
    assert "(and 4 more)" in refused.message
    assert len(refused.extra["excluded"]) == 12


@pytest.mark.parametrize(("tag", "near"), [("fastets", "fastest"), ("alhpa", "alpha"), ("Cheapest", "cheapest")])
def test_an_unknown_policy_names_the_valid_ones_and_the_nearest_spelling(tag, near) -> None:
    with pytest.raises(Refusal) as caught:
        Crossroads(THREE).plan(tag)
    refused = caught.value
    assert (refused.code, refused.status, refused.param) == ("unknown_policy", 400, "model")
    assert refused.extra == {"valid": ["fastest", "cheapest", "preferred", "alpha", "beta", "gamma"], "nearest": near}
    assert f"Did you mean '{near}'?" in refused.message
    assert refused.fix == f"Use acme/one:{near}."


def test_a_default_policy_that_is_gone_is_told_from_a_wrong_tag() -> None:
    with pytest.raises(Refusal, match="'sambanova', your default policy, is neither"):
        Crossroads(THREE).plan(None, caller(Preferences(default_policy="sambanova")))


def test_an_unknown_model_names_the_nearest_ids() -> None:
    with pytest.raises(Refusal) as caught:
        Crossroads(THREE, model("alpha", name="acme/ones")).plan(model="acme/oen")
    refused = caught.value
    assert (refused.code, refused.status, refused.param) == ("model_not_found", 400, "model")
    assert refused.extra["nearest"] == ["acme/one", "acme/ones"]
    assert refused.message == "The requested model 'acme/oen' does not exist. Did you mean acme/one or acme/ones?"


def test_a_very_long_model_id_is_cut_in_the_message() -> None:
    with pytest.raises(Refusal) as caught:
        Crossroads(THREE).plan(model="x" * 10_000)
    assert len(caught.value.message) < 300
