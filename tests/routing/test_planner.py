import random
import time
from dataclasses import replace

import pytest
from crossroads import SERVED, Crossroads, ask, caller, endpoint, model, payer, provider, usd

from waypost.domain.callers import Caller
from waypost.domain.chat import Need
from waypost.domain.endpoints import Deadlines, Model, Preferences
from waypost.domain.payers import Rules, Terms
from waypost.domain.problems import Refusal
from waypost.domain.pulse import CallResult
from waypost.routing.planner import PlannerSettings

TWO = model("alpha", "beta")
PAYER = payer()


def test_without_a_tag_the_callers_default_policy_decides() -> None:
    roads = Crossroads(model(endpoint("alpha", price=usd(2, 2)), endpoint("beta", price=usd(1, 1))))
    thrifty = caller(Preferences(default_policy="cheapest"))
    assert roads.order() == ["alpha", "beta"]
    assert roads.order(None, thrifty) == ["beta", "alpha"]
    assert roads.plan(None, thrifty).policy == "cheapest"
    assert roads.plan("fastest", thrifty).policy == "fastest"


def test_a_default_policy_may_be_a_provider() -> None:
    plan = Crossroads(TWO).plan(None, caller(Preferences(default_policy="beta")))
    assert (plan.policy, [c.provider.slug for c in plan.order]) == ("beta", ["beta"])


def test_a_provider_tag_leaves_that_endpoint_alone_in_the_order() -> None:
    roads = Crossroads(TWO)
    assert roads.order("beta") == ["beta"]
    assert roads.excluded("beta") == {"alpha": "pinned_elsewhere"}
    assert roads.plan("beta").policy == "beta"


def test_a_known_provider_that_does_not_run_the_model_is_named_in_the_plan() -> None:
    roads = Crossroads(TWO, gamma=provider("gamma"))
    assert roads.excluded("gamma") == {
        "gamma": "no_such_model",
        "alpha": "pinned_elsewhere",
        "beta": "pinned_elsewhere",
    }
    refused = roads.planner.refusal(roads.plan("gamma"), ask(tag="gamma"))
    assert refused.code == "model_not_supported"
    assert "gamma does not run acme/one" in refused.message


def test_an_alias_is_planned_as_the_model_it_stands_for() -> None:
    roads = Crossroads(TWO, Model("acme/old", alias_of="acme/one"))
    plan = roads.plan("beta", model="acme/old")
    assert plan.model == "acme/one"
    only_old = caller(models=frozenset({"acme/old"}))
    assert roads.order(None, only_old, model="acme/old") == ["alpha", "beta"]
    assert roads.excluded(None, only_old) == {"alpha": "model_not_allowed", "beta": "model_not_allowed"}


def test_an_id_with_a_colon_in_it_is_a_model_and_not_a_policy() -> None:
    roads = Crossroads(model("alpha", name="llama3:8b"), model("beta", name="llama3"))
    assert roads.plan("8b", model="llama3").model == "llama3:8b"
    assert roads.plan("beta", model="llama3").model == "llama3"
    with pytest.raises(Refusal):
        roads.plan("9b", model="llama3")


def test_a_policy_tag_is_written_in_lower_case_alone() -> None:
    with pytest.raises(Refusal):
        Crossroads(TWO).plan("Fastest")


def test_a_path_that_pins_a_provider_takes_its_own_id_first_and_ours_second() -> None:
    other = model(endpoint("alpha", "acme/two", id="acme/one"), name="acme/two")
    roads = Crossroads(TWO, other)
    assert roads.plan(model="acme/one", pinned="alpha").model == "acme/two"
    assert roads.plan(model="acme/one", pinned="beta").model == "acme/one"
    assert roads.plan(model="one-at-beta", pinned="beta").model == "acme/one"
    assert roads.order(model="one-at-beta", pinned="beta") == ["beta"]
    assert roads.plan(model="one-at-beta", pinned="beta").policy == "beta"


def test_a_path_pinned_model_that_the_provider_does_not_have_is_refused() -> None:
    roads = Crossroads(TWO, gamma=provider("gamma"))
    with pytest.raises(Refusal, match="does not exist at beta"):
        roads.plan(model="one-at-alpha", pinned="beta")
    assert roads.excluded(model="acme/one", pinned="gamma")["gamma"] == "no_such_model"


def test_a_pinned_native_id_cannot_be_used_to_get_round_the_tokens_models() -> None:
    other = model(endpoint("alpha", "acme/dear", id="acme/one"), name="acme/dear")
    roads = Crossroads(TWO, other)
    limited = caller(models=frozenset({"acme/one"}))
    assert roads.order(None, limited, model="acme/one", pinned="alpha") == []


def test_deadlines_are_the_models_own_or_the_operators() -> None:
    mine, yours = Deadlines(1.0), Deadlines(2.0)
    roads = Crossroads(TWO, model("alpha", name="acme/two", deadlines=mine), settings=PlannerSettings(deadlines=yours))
    assert roads.plan().deadlines == yours
    assert roads.plan(model="acme/two").deadlines == mine


def test_unpriced_endpoints_are_left_out_where_the_operator_demands_a_price() -> None:
    roads = Crossroads(TWO, settings=PlannerSettings(price_demanded=True))
    assert roads.excluded() == {"alpha": "unpriced", "beta": "unpriced"}


def test_callers_with_equal_rights_but_other_objects_are_planned_apart_and_alike() -> None:
    roads = Crossroads(TWO)
    for _ in range(50):
        mine = caller(Preferences(disabled=frozenset({"alpha"})), models=frozenset({"acme/one"}))
        assert roads.order(None, mine) == ["beta"]
        assert roads.order() == ["alpha", "beta"]


def acme(*, order: tuple[str, ...] = (), disabled: tuple[str, ...] = (), **rules) -> Terms:
    return Terms("acme", ("ann",), Preferences(order=order, disabled=frozenset(disabled)), Rules(**rules))


def test_what_an_organisation_allows_is_asked_where_it_pays_and_nowhere_else() -> None:
    roads = Crossroads(TWO)
    terms = acme(disabled=("alpha",))
    for _ in range(2):
        assert roads.order() == ["alpha", "beta"]
        assert roads.excluded(terms=terms) == {"alpha": "disabled_by_organisation"}
        assert roads.excluded(terms=acme(models=frozenset({"acme/two"}))) == dict.fromkeys(
            ("alpha", "beta"), "model_not_allowed_by_organisation"
        )
    refused = roads.planner.refusal(roads.plan(terms=acme(providers=frozenset())), ask())
    assert refused.code == "model_not_supported"
    assert refused.fix.startswith("Ask an admin of acme (ann) to allow")


def test_terms_that_were_freed_are_never_mistaken_for_new_ones_at_the_same_place() -> None:
    roads = Crossroads(TWO)
    for _ in range(20):
        assert roads.order(terms=acme(disabled=("alpha",))) == ["beta"]
        assert roads.order(terms=acme(disabled=("beta",))) == ["alpha"]


def test_preferred_is_the_callers_order_then_the_organisations_then_the_catalogues() -> None:
    roads = Crossroads(model("alpha", "beta", "gamma", "delta"), other=provider("other"))
    who = caller(Preferences(order=("gamma",)))
    assert roads.order("preferred", who, terms=acme(order=("other", "delta", "gamma"))) == [
        "gamma",
        "delta",
        "alpha",
        "beta",
    ]
    assert roads.excluded("preferred", who, terms=acme(order=("other", "delta"))) == {"other": "no_such_model"}
    assert roads.order("preferred", who) == ["gamma", "alpha", "beta", "delta"]


def test_a_survey_is_paid_by_whom_the_callers_settings_say() -> None:
    roads = Crossroads(TWO)
    who = replace(caller(), payer=payer(acme(disabled=("alpha",))))
    plan = roads.planner.survey(roads.catalogue.models["acme/one"], who)
    assert [(e.provider, e.reason) for e in plan.excluded] == [("alpha", "disabled_by_organisation")]


def test_a_caller_may_demand_a_price_of_its_own() -> None:
    roads = Crossroads(model(endpoint("alpha", price=usd(1, 1)), "beta"))
    assert roads.excluded(None, caller(Preferences(price_demanded=True))) == {"beta": "unpriced"}
    assert roads.excluded(terms=acme(price_demanded=True)) == {"beta": "unpriced"}


def test_rights_that_were_freed_are_never_mistaken_for_new_ones_at_the_same_place() -> None:
    roads = Crossroads(TWO)
    for _ in range(20):
        assert roads.order(None, caller(Preferences(disabled=frozenset({"alpha", "beta"})))) == []
        assert roads.order(None, caller(Preferences(disabled=frozenset({"beta"})))) == ["alpha"]


def test_a_change_of_preferences_takes_effect_with_the_next_call() -> None:
    roads = Crossroads(TWO)
    before = caller(Preferences())
    after = Caller(
        before.user.__class__(1, "ada", preferences=Preferences(disabled=frozenset({"alpha"}))),
        before.token,
        before.scopes,
        1,
    )
    assert roads.order(None, before) == ["alpha", "beta"]
    assert roads.order(None, after) == ["beta"]


def test_another_catalogue_is_used_from_the_next_call_on_and_a_new_key_is_tried_at_once() -> None:
    roads = Crossroads(TWO, alpha=provider("alpha", keyless=False, key="old"))
    roads.end("alpha", CallResult("key", "401"))
    roads.end("beta", SERVED)
    assert roads.excluded() == {"alpha": "key_refused"}
    same = Crossroads(TWO, alpha=provider("alpha", keyless=False, key="old")).catalogue
    roads.planner.use(same)
    assert roads.excluded() == {"alpha": "key_refused"}
    mended = Crossroads(model("alpha"), alpha=provider("alpha", keyless=False, key="new")).catalogue
    roads.planner.use(mended)
    assert roads.order() == ["alpha"]
    assert roads.pulse.reading(("acme/one", "beta")) is None


def test_a_survey_asks_the_same_rules_without_a_request() -> None:
    roads = Crossroads(TWO, beta=provider("beta", keyless=False))
    plan = roads.planner.survey(roads.catalogue.models["acme/one"], caller(Preferences(default_policy="gone")))
    assert [c.provider.slug for c in plan.order] == ["alpha"]
    assert [e.reason for e in plan.excluded] == ["no_key"]


def test_needs_and_tags_do_not_share_what_is_kept() -> None:
    blind = endpoint("alpha", abilities=Need.TOOLS, abilities_known=True)
    roads = Crossroads(model(blind, "beta"))
    for _ in range(2):
        assert roads.order() == ["alpha", "beta"]
        assert roads.order(needs=Need.IMAGES) == ["beta"]
        assert roads.order(needs=Need.TOOLS) == ["alpha", "beta"]
        assert roads.order("beta") == ["beta"]


@pytest.mark.parametrize(("endpoints", "most_us"), [(3, 6), (8, 12)])
def test_a_plan_costs_microseconds(endpoints, most_us) -> None:
    roads = Crossroads(model(*[f"p{n}" for n in range(endpoints)]))
    planner, one, who = roads.planner, ask(), caller()
    best = float("inf")
    for _ in range(10):
        started = time.process_time()
        for _ in range(2_000):
            planner.plan(one, who, PAYER)
        best = min(best, (time.process_time() - started) / 2_000 * 1e6)
    assert best <= most_us


def test_ten_thousand_models_asked_in_turn_cost_about_what_one_does() -> None:
    roads = Crossroads(*(model("alpha", "beta", "gamma", name=f"acme/m{n}") for n in range(10_000)))
    who = caller()
    asks = [ask(f"acme/m{n}") for n in random.Random(1).choices(range(10_000), k=20_000)]
    for one in asks:
        roads.planner.plan(one, who, PAYER)
    started = time.process_time()
    for one in asks:
        roads.planner.plan(one, who, PAYER)
    assert (time.process_time() - started) / len(asks) * 1e6 < 25
