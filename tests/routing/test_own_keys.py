"""The payer's own keys: who is called with them, and that credits are never used in their place unasked."""

import pytest
from crossroads import FAILED, SERVED, Crossroads, ask, caller, endpoint, model, payer, provider, usd

from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Rules, Terms
from waypost.domain.pulse import CallResult
from waypost.routing.own_keys import goes_on_with_credits
from waypost.routing.planner import PlannerSettings

REFUSED = CallResult("key", "answered 401")
BOTH = caller(Preferences(keys_then_credits=True))


def roads_of(*slugs: str, settings: PlannerSettings | None = None, **more) -> Crossroads:
    """Providers that each have a key of the operator's, the first the fastest."""
    speeds = {slug: 100 - 10 * place for place, slug in enumerate(slugs)}
    rows = [endpoint(slug, output_tokens_per_s=speed, price=usd(1, 1)) for slug, speed in speeds.items()]
    keyed = {slug: provider(slug, keyless=False, key="of-the-operator") for slug in slugs}
    return Crossroads(model(*rows), settings=settings, **{**keyed, **more})


def test_a_provider_with_an_own_key_is_called_with_that_key() -> None:
    roads = roads_of("alpha")
    roads.give_key("alpha")
    (first,) = roads.plan().order
    assert (first.provider.key, first.own_key, first.owner) == ("own-secret", "alpha of mine", "user:1")
    assert first.pulse_key == ("acme/one", "alpha", "user:1")
    assert "own-secret" in first.provider.secrets
    assert "own-secret" not in repr(first)
    assert roads.catalogue.providers["alpha"].key == "of-the-operator"


def test_others_are_called_with_the_operators_key() -> None:
    roads = roads_of("alpha")
    roads.give_key("alpha", owner="user:2")
    roads.give_key("alpha", owner="org:3")
    (first,) = roads.plan().order
    assert (first.provider.key, first.own_key, first.pulse_key) == ("of-the-operator", None, ("acme/one", "alpha"))


def test_where_an_organisation_pays_its_own_key_is_used() -> None:
    roads = roads_of("alpha")
    roads.give_key("alpha", "of-the-organisation", owner="org:3")
    terms = Terms("acme", (), Preferences(), Rules())
    assert roads.plan(terms=terms).order[0].provider.key == "of-the-organisation"


def test_an_own_key_opens_a_provider_that_the_operator_has_no_key_for() -> None:
    roads = roads_of("alpha", alpha=provider("alpha", keyless=False))
    assert roads.excluded() == {"alpha": "no_key"}
    roads.give_key("alpha")
    assert roads.order() == ["alpha"]


def test_what_the_operator_disabled_stays_disabled() -> None:
    roads = roads_of("alpha", alpha=provider("alpha", keyless=False, disabled=True))
    roads.give_key("alpha")
    assert roads.excluded() == {"alpha": "disabled_by_operator"}


def test_a_provider_that_needs_no_key_takes_none() -> None:
    """An invented key for the operator's own machine would make its answers free."""
    roads = roads_of("alpha", alpha=provider("alpha"))
    roads.give_key("alpha")
    (first,) = roads.plan().order
    assert (first.own_key, first.provider.key) == (None, None)


def test_a_key_that_comes_goes_or_changes_is_seen_by_the_next_plan() -> None:
    roads = roads_of("alpha")
    keys = []
    for change in (None, "first-key", "second-key"):
        if change:
            roads.give_key("alpha", change)
        keys.append(roads.plan().order[0].provider.key)
    del roads.own_keys["user:1"]
    keys.append(roads.plan().order[0].provider.key)
    assert keys == ["of-the-operator", "first-key", "second-key", "of-the-operator"]


def test_credits_are_not_used_after_an_own_key() -> None:
    roads = roads_of("alpha", "beta", "gamma", "delta")
    roads.give_key("beta")
    roads.give_key("delta")
    plan = roads.plan()
    assert [c.provider.slug for c in plan.order] == ["alpha", "beta", "delta"]
    (excluded,) = plan.excluded
    assert (excluded.provider, excluded.reason) == ("gamma", "credits_after_own_key")
    assert "beta" in excluded.why
    assert "keys_then_credits" in excluded.fix


def test_credits_are_used_after_an_own_key_where_its_owner_said_so() -> None:
    roads = roads_of("alpha", "beta")
    roads.give_key("alpha")
    assert roads.order() == ["alpha"]
    assert roads.order(None, BOTH) == ["alpha", "beta"]
    assert roads.order() == ["alpha"]


def test_an_organisation_says_for_itself_whether_credits_follow_its_keys() -> None:
    roads = roads_of("alpha", "beta")
    roads.give_key("alpha", owner="org:3")
    says = {then: Terms("acme", (), Preferences(), Rules(keys_then_credits=then)) for then in (False, True)}
    assert roads.order(None, BOTH, terms=says[False]) == ["alpha"]
    assert roads.order(terms=says[True]) == ["alpha", "beta"]
    assert goes_on_with_credits(payer(says[True]), Preferences())


@pytest.mark.parametrize("trouble", [[REFUSED], [FAILED] * 5, [CallResult("rest", "429")]])
def test_a_key_that_cannot_be_used_now_does_not_let_credits_in(trouble) -> None:
    roads = roads_of("alpha", "beta")
    roads.give_key("alpha")
    before = roads.plan().order[0]
    for result in trouble:
        roads.pulse.started(before.pulse_key)
        roads.pulse.ended(before.pulse_key, result)
    assert roads.order() == []
    assert roads.excluded()["beta"] == "credits_after_own_key"
    assert roads.order(None, BOTH) == ["beta"]


def test_where_the_request_is_too_long_for_it_a_key_says_nothing_about_credits() -> None:
    roads = Crossroads(
        model(endpoint("alpha", context_length=50), endpoint("beta", price=usd(1, 1))),
        alpha=provider("alpha", keyless=False),
    )
    roads.give_key("alpha")
    assert roads.order(input_tokens_max=8_000) == ["beta"]


def test_a_key_for_another_address_is_sent_nowhere_and_nobody_steps_in_for_it() -> None:
    roads = roads_of("alpha", "beta")
    roads.give_key("alpha", base_url="http://127.0.0.1:9/elsewhere")
    plan = roads.plan()
    assert plan.order == ()
    assert [e.reason for e in plan.excluded] == ["own_key_elsewhere", "credits_after_own_key"]
    refusal = roads.planner.refusal(plan, ask())
    assert (refusal.code, refusal.status) == ("model_not_supported", 400)
    assert "another address" in refusal.why
    assert "waypost keys set alpha" in plan.excluded[0].fix
    assert roads.order(None, BOTH) == ["beta"]


def test_a_key_that_cannot_be_opened_is_told_and_not_replaced() -> None:
    roads = roads_of("alpha")
    roads.give_key("alpha", None)
    assert roads.excluded() == {"alpha": "own_key_unreadable"}


def test_a_refused_own_key_is_its_owners_matter_alone() -> None:
    roads = roads_of("alpha")
    roads.give_key("alpha")
    mine = roads.plan()
    roads.pulse.ended(mine.order[0].pulse_key, REFUSED)
    refused = roads.plan()
    problem = roads.planner.refusal(refused, ask())
    assert (problem.code, problem.status, problem.extra["provider"]) == ("own_key_refused", 403, "alpha")
    assert "alpha of mine" in problem.why
    del roads.own_keys["user:1"]
    assert roads.order() == ["alpha"]


def test_a_new_key_is_tried_at_once() -> None:
    roads = roads_of("alpha")
    roads.give_key("alpha")
    roads.pulse.ended(("acme/one", "alpha", "user:1"), REFUSED)
    roads.pulse.ended(("acme/one", "alpha"), REFUSED)
    assert roads.order() == []
    roads.give_key("alpha", "another-key")
    roads.pulse.key_changed("alpha", "user:1")
    assert roads.order() == ["alpha"]
    del roads.own_keys["user:1"]
    assert roads.excluded() == {"alpha": "key_refused"}


def test_with_an_own_key_no_price_is_demanded() -> None:
    roads = Crossroads(
        model(endpoint("alpha")),
        settings=PlannerSettings(price_demanded=True),
        alpha=provider("alpha", keyless=False, key="k"),
    )
    assert roads.excluded() == {"alpha": "unpriced"}
    roads.give_key("alpha")
    assert roads.order() == ["alpha"]


def test_until_it_is_measured_an_own_key_is_as_fast_as_the_operators() -> None:
    roads = roads_of("alpha", "beta")
    roads.give_key("beta")
    roads.end("beta", CallResult("served", first_word_ms=10.0, output_tokens=500, output_ms=1000.0))
    assert roads.plan().order[0].why == "500 tokens/s measured over 1 recent call"
    roads.pulse.ended(("acme/one", "beta", "user:1"), SERVED)
    roads.clock.pass_seconds(2)
    assert roads.plan().order[0].why == "100 tokens/s measured over 1 recent call"


def test_exploring_puts_no_key_before_providers_that_credits_pay() -> None:
    """It would shut out the very providers that this call was to be served by."""
    roads = roads_of("alpha", "beta")
    roads.give_key("beta")
    roads.end("alpha", SERVED)
    roads.dice.value = 0.0
    for _ in range(3):
        assert roads.order() == ["alpha", "beta"]
    assert roads.plan(None, BOTH).order[0].provider.slug == "beta"


def test_lists_of_models_know_the_callers_own_keys() -> None:
    roads = roads_of("alpha", alpha=provider("alpha", keyless=False))
    who = caller()
    paying = type(who)(who.user, who.token, who.scopes, 0, payer())
    one = roads.catalogue.models["acme/one"]
    assert not roads.planner.survey(one, paying).order
    roads.give_key("alpha")
    assert [c.own_key for c in roads.planner.survey(one, paying).order] == ["alpha of mine"]
