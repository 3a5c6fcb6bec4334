"""What holds for every plan, whatever the catalogue, the caller, the request and the moment."""

from crossroads import Clock, Crossroads, ask, caller, endpoint, model, payer, provider, usd
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.domain.chat import Need
from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Rules, Terms
from waypost.domain.pulse import CallResult
from waypost.routing.needs import RULES, WAITING_HELPS
from waypost.routing.planner import Planner, PlannerSettings
from waypost.routing.policies import POLICIES, Figures, View, Wish, expected_mix
from waypost.routing.shortlist import RERANK_MS

SLUGS = ("alpha", "beta", "gamma", "delta")
REASONS = {rule.reason for rule in RULES} | {"no_such_model"}
maybe = st.one_of
needs = st.sampled_from([Need.NOTHING, Need.TOOLS, Need.IMAGES, Need.TOOLS | Need.STRUCTURED_OUTPUT])
slug_sets = st.frozensets(st.sampled_from(SLUGS), max_size=3)

endpoints = st.fixed_dictionaries(
    {
        "price": maybe(st.none(), st.builds(usd, st.floats(0, 9), st.floats(0, 9))),
        "context_length": maybe(st.none(), st.sampled_from([500, 4_000, 131_072])),
        "output_tokens_max": maybe(st.none(), st.sampled_from([100, 8_192])),
        "abilities": needs,
        "abilities_known": st.booleans(),
        "output_tokens_per_s": maybe(st.none(), st.floats(1, 900)),
        "status": st.sampled_from(["live"] * 4 + ["error"]),
    }
)
providers = st.fixed_dictionaries(
    {"keyless": st.sampled_from([True] * 4 + [False]), "disabled": st.sampled_from([False] * 4 + [True])}
)
results = st.sampled_from(
    [
        CallResult("served", first_word_ms=50, output_tokens=40, output_ms=400),
        CallResult("served", first_word_ms=80, output_tokens=90, output_ms=300),
        CallResult("rest", retry_after_seconds=9),
        CallResult("rest"),
        CallResult("key", "401"),
        CallResult("none"),
    ]
)
events = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(SLUGS), results),
        st.tuples(st.sampled_from(SLUGS), st.just("break")),
        st.tuples(st.just(""), st.floats(0, 40)),
    ),
    max_size=8,
)
preferences = st.builds(
    Preferences,
    st.sampled_from([*POLICIES, "beta"]),
    st.lists(st.sampled_from(SLUGS), unique=True).map(tuple),
    slug_sets,
    st.booleans(),
)
callers = st.builds(
    lambda preferences, models, providers: caller(preferences, models=models, providers=providers),
    maybe(st.just(Preferences()), preferences),
    st.sampled_from([None, None, frozenset({"acme/one"}), frozenset({"acme/two"})]),
    maybe(st.none(), slug_sets),
)
payers = st.builds(
    payer,
    maybe(
        st.none(),
        st.builds(
            lambda preferences, rules: Terms("acme", ("ann",), preferences, rules),
            preferences,
            st.builds(
                Rules,
                models=st.sampled_from([None, None, frozenset({"acme/one"}), frozenset({"acme/two"})]),
                disabled_models=st.sampled_from([frozenset(), frozenset({"acme/one"})]),
                providers=maybe(st.none(), slug_sets),
                price_demanded=st.booleans(),
            ),
        ),
    ),
)
asks = st.builds(
    lambda tag, more, images: ask(tag=tag, images=images, **more),
    st.sampled_from([None, *POLICIES, "alpha", "nobody"]),
    st.fixed_dictionaries(
        {
            "needs": needs,
            "input_tokens_max": st.sampled_from([10, 1_900, 2_500, 40_000]),
            "output_tokens_max": st.sampled_from([None, 1, 101, 9_000]),
        }
    ),
    st.sampled_from([0, 0, 3]),
)


@st.composite
def crossroads(draw) -> Crossroads:
    slugs = draw(st.lists(st.sampled_from(SLUGS), unique=True, max_size=4))
    rows = {slug: provider(slug, **draw(providers)) for slug in SLUGS}
    roads = Crossroads(
        model(*(endpoint(slug, **draw(endpoints)) for slug in slugs)),
        settings=PlannerSettings(explore_share=0.2, price_demanded=draw(st.booleans())),
        **{**rows, "nobody": provider("nobody")},
    )
    roads.dice.value = draw(st.sampled_from([0.0, 0.1, 0.5]))
    return roads


def live_through(roads: Crossroads, happened) -> None:
    for slug, what in happened:
        if isinstance(what, float):
            roads.clock.pass_seconds(what)
        elif what == "break":
            roads.break_circuit(slug)
        else:
            roads.end(slug, what)


def figures_of(roads: Crossroads, slug: str) -> Figures:
    reading = roads.pulse.reading(("acme/one", slug))
    return Figures(reading.tokens_per_s, reading.first_word_ms, reading.calls) if reading else Figures()


@settings(max_examples=150, deadline=None)
@given(crossroads(), st.lists(st.tuples(events, callers, payers, asks), min_size=1, max_size=4))
def test_every_plan_keeps_its_promises(roads, calls) -> None:
    for happened, who, pays, one in calls:
        live_through(roads, happened)
        roads.clock.pass_seconds(RERANK_MS / 1000)
        plan = roads.planner.plan(one, who, pays)
        wish = wish_of(who, pays)
        everybody_is_there_once(roads, plan, one, who, wish)
        order_follows_the_policy(roads, plan, one, wish)
        no_breaker_takes_the_last(roads, plan)
        reasons_are_true(roads, plan, one, who)
        nothing_is_served_that_its_payer_forbids(plan, pays)
        a_fresh_planner_says_the_same(roads, plan, one, who, pays)
        if not plan.order:
            refused = roads.planner.refusal(plan, one)
            assert (refused.code == "providers_busy") == any(e.reason in WAITING_HELPS for e in plan.excluded)
            assert (refused.retry_after_seconds is not None) == (refused.code == "providers_busy")


def wish_of(who, pays) -> Wish:
    order = who.user.preferences.order
    if pays.terms is None:
        return Wish(order)
    return Wish(order, then=tuple(slug for slug in pays.terms.preferences.order if slug not in order), whose="acme")


def everybody_is_there_once(roads, plan, one, who, wish) -> None:
    seen = [c.provider.slug for c in plan.order] + [e.provider for e in plan.excluded]
    expected = [e.provider for e in roads.catalogue.models["acme/one"].endpoints]
    pin = one.tag or who.user.preferences.default_policy
    if pin not in POLICIES and pin not in expected:
        expected.append(pin)
    if pin == "preferred":
        expected += [
            slug for slug in (*wish.order, *wish.then) if slug in roads.catalogue.providers and slug not in expected
        ]
    assert sorted(seen) == sorted(expected)
    assert {e.reason for e in plan.excluded} <= REASONS


def order_follows_the_policy(roads, plan, one, wish) -> None:
    policy = POLICIES.get(plan.policy)
    if policy is None:
        assert [c.provider.slug for c in plan.order] in ([], [plan.policy])
        return
    wish = wish._replace(mix=expected_mix(one))
    ranks = [policy(View(c.endpoint, figures_of(roads, c.provider.slug), wish)) for c in plan.order]
    measured_first = ranks[1:] if plan.explored else ranks
    assert [rank.key for rank in measured_first] == sorted(rank.key for rank in measured_first)
    assert all(rank.why in c.why for rank, c in zip(ranks, plan.order, strict=True))
    assert not plan.explored or plan.policy == "fastest"


def no_breaker_takes_the_last(roads, plan) -> None:
    """Somebody who could serve at all is not held back by a breaker, unless no breaker holds anybody back."""
    held_back = {e.provider for e in plan.excluded if e.reason == "circuit_open"}
    if not held_back:
        return
    usable = [
        e.provider
        for e in roads.catalogue.models["acme/one"].endpoints
        if e.status == "live" and (row := roads.catalogue.providers[e.provider]).usable and not row.disabled
    ]
    assert set(usable) - held_back


def reasons_are_true(roads, plan, one, who) -> None:
    for exclusion in plan.excluded:
        assert (exclusion.until is not None) == (exclusion.reason in WAITING_HELPS | {"key_refused"})
        if exclusion.reason == "disabled_by_user":
            assert exclusion.provider in who.user.preferences.disabled
        if exclusion.reason in WAITING_HELPS | {"key_refused"}:
            assert roads.pulse.vitals(("acme/one", exclusion.provider)).shut_until_ms > roads.clock.now_ms
    for candidate in plan.order:
        slug = candidate.provider.slug
        assert slug not in who.user.preferences.disabled
        assert who.token.providers is None or slug in who.token.providers
        assert who.token.models is None or "acme/one" in who.token.models
        assert roads.pulse.vitals(("acme/one", slug)).rest_until_ms <= roads.clock.now_ms


def nothing_is_served_that_its_payer_forbids(plan, pays) -> None:
    if pays.terms is None:
        assert not any("organisation" in exclusion.reason for exclusion in plan.excluded)
        return
    rules, preferences = pays.terms.rules, pays.terms.preferences
    for candidate in plan.order:
        assert candidate.provider.slug not in preferences.disabled
        assert rules.providers is None or candidate.provider.slug in rules.providers
        assert rules.models is None or "acme/one" in rules.models
        assert "acme/one" not in rules.disabled_models
        assert candidate.endpoint.price is not None or not rules.price_demanded


def a_fresh_planner_says_the_same(roads, plan, one, who, pays) -> None:
    """What is kept from call to call never shows."""
    settings = PlannerSettings(explore_share=0.2, price_demanded=roads.planner._settings.price_demanded)
    fresh = Planner(roads.catalogue, roads.pulse, Clock(roads.clock.now_ms), roads.dice, settings)
    assert fresh.plan(one, who, pays) == plan
    assert roads.planner.plan(one, who, pays) == plan
