import pytest
from crossroads import START_MS, caller, endpoint, model, provider, usd

from waypost.domain.chat import Need
from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Rules, Terms
from waypost.routing.needs import RULES, WAITING_HELPS, Case, Size, first_broken, iso_time
from waypost.routing.vitals import Vitals


def case(**changes) -> Case:
    row = endpoint("alpha", price=usd(1, 1), context_length=1000, output_tokens_max=500)
    plain = Case(row, provider("alpha"), model(row), caller().token, Preferences())
    return plain._replace(**changes)


def vitals(**times: int) -> Vitals:
    made = Vitals()
    made.failures = 7
    for name, value in times.items():
        setattr(made, name, value)
    return made


def acme(preferences: Preferences | None = None, **rules) -> dict[str, Terms]:
    return {"terms": Terms("acme", ("ann", "bob"), preferences or Preferences(), Rules(**rules))}


ALL_NEEDS = Need.TOOLS | Need.STRUCTURED_OUTPUT | Need.IMAGES
LATER = START_MS + 5_000
NEW = {"now_ms": START_MS}


def able(*abilities: Need):
    has = Need.NOTHING
    for ability in abilities:
        has |= ability
    return {"endpoint": endpoint("alpha", abilities=has, abilities_known=True), "needs": ALL_NEEDS}


BROKEN = [
    ("pinned_elsewhere", {"pin": "beta"}, "The request asks for beta alone."),
    ("model_retired", {"model": model("alpha", retired="2026-06-01")}, "acme/one is retired since 2026-06-01."),
    ("disabled_by_operator", {"provider": provider("alpha", disabled=True)}, "The operator has disabled alpha."),
    ("no_key", {"provider": provider("alpha", keyless=False)}, "This router has no key for alpha."),
    ("not_live", {"endpoint": endpoint("alpha", status="error")}, "alpha lists acme/one with the status error."),
    ("model_not_allowed", {"token": caller(models=frozenset()).token}, "This token may not call acme/one."),
    ("provider_not_allowed", {"token": caller(providers=frozenset({"b"})).token}, "This token may not use alpha."),
    (
        "disabled_by_user",
        {"preferences": Preferences(disabled=frozenset({"alpha"}))},
        "You have disabled alpha in your settings.",
    ),
    (
        "not_preferred",
        {"preferences": Preferences(order=("beta",), preferred_only=True)},
        "alpha is not in your order, and you allow preferred providers only.",
    ),
    (
        "model_not_allowed_by_organisation",
        acme(models=frozenset({"acme/two"})),
        "acme, which pays, does not allow acme/one.",
    ),
    (
        "model_disabled_by_organisation",
        {**acme(disabled_models=frozenset({"acme/old"})), "alias": "acme/old"},
        "acme, which pays, has disabled acme/one.",
    ),
    (
        "provider_not_allowed_by_organisation",
        acme(providers=frozenset({"beta"})),
        "acme, which pays, does not allow alpha.",
    ),
    (
        "disabled_by_organisation",
        acme(Preferences(disabled=frozenset({"alpha"}))),
        "acme, which pays, has disabled alpha.",
    ),
    (
        "not_preferred_by_organisation",
        acme(Preferences(order=("beta",), preferred_only=True)),
        "alpha is not in the order of acme, which pays for preferred providers only.",
    ),
    ("no_tools", able(Need.IMAGES, Need.STRUCTURED_OUTPUT), "alpha offers no tools for acme/one."),
    ("no_structured_output", able(Need.TOOLS, Need.IMAGES), "alpha offers no structured output for acme/one."),
    ("no_image_input", able(Need.TOOLS, Need.STRUCTURED_OUTPUT), "alpha takes no images for acme/one."),
    (
        "unpriced",
        {"endpoint": endpoint("alpha"), "price_demanded": True},
        "The price of acme/one at alpha is not known, and this router demands one.",
    ),
    (
        "unpriced",
        {"endpoint": endpoint("alpha"), **acme(price_demanded=True)},
        "The price of acme/one at alpha is not known, and acme, which pays, demands one.",
    ),
    (
        "unpriced",
        {"endpoint": endpoint("alpha"), "preferences": Preferences(price_demanded=True)},
        "The price of acme/one at alpha is not known, and you demand one in your settings.",
    ),
    (
        "output_too_long",
        {"size": Size(900, 501)},
        "501 tokens of answer are asked for; alpha gives at most 500.",
    ),
    ("context_too_long", {"size": Size(1001, None)}, "About 1001 tokens were counted; alpha takes 1000."),
    ("key_refused", {"vitals": vitals(muted_until_ms=LATER), **NEW}, "alpha refuses this router's key."),
    ("rate_limited", {"vitals": vitals(rest_until_ms=LATER), **NEW}, "alpha has asked to be left alone for a while."),
    ("circuit_open", {"vitals": vitals(open_until_ms=LATER), **NEW}, "alpha has failed 7 times in a row."),
    (
        "circuit_open",
        {"vitals": vitals(probe_until_ms=LATER), **NEW},
        "alpha has failed 7 times in a row, and one call is trying it again.",
    ),
]


@pytest.mark.parametrize(("reason", "changes", "why"), BROKEN, ids=[row[0] for row in BROKEN])
def test_each_rule_says_its_reason_its_evidence_and_a_fix(reason, changes, why) -> None:
    broken = case(**changes)
    assert [rule.reason for rule in RULES if rule.broken(broken)] == [reason]
    rule = first_broken(RULES, broken)
    assert rule is not None
    exclusion = rule.exclusion(broken)
    assert (exclusion.provider, exclusion.reason, exclusion.why) == ("alpha", reason, why)
    assert exclusion.fix
    assert "{" not in exclusion.fix
    assert (exclusion.until is not None) == (changes.get("now_ms") is not None)


def test_every_rule_of_the_table_has_such_a_case() -> None:
    assert [row[0] for row in BROKEN] == [rule.reason for rule in RULES]
    assert {rule.reason for rule in RULES} >= WAITING_HELPS


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pin": "alpha"},
        {"needs": ALL_NEEDS},
        {"needs": ALL_NEEDS, "endpoint": endpoint("alpha", abilities=Need.NOTHING, abilities_known=False)},
        {"provider": provider("alpha", keyless=False, key="k")},
        {"token": caller(models=frozenset({"acme/one"}), providers=frozenset({"alpha"})).token},
        {"token": caller(models=frozenset({"acme/old"})).token, "alias": "acme/old"},
        {"preferences": Preferences(order=("alpha",), preferred_only=True)},
        {"preferences": Preferences(order=(), preferred_only=True)},
        {"preferences": Preferences(order=("beta",), preferred_only=True), "pin": "alpha"},
        {"price_demanded": True},
        {"preferences": Preferences(price_demanded=True), **acme(price_demanded=True)},
        acme(models=frozenset({"acme/one"}), providers=frozenset({"alpha"}), disabled_models=frozenset({"acme/two"})),
        {**acme(models=frozenset({"acme/old"})), "alias": "acme/old"},
        acme(Preferences(order=("alpha",), disabled=frozenset({"beta"}), preferred_only=True)),
        acme(Preferences(preferred_only=True)),
        {**acme(Preferences(order=("beta",), preferred_only=True)), "pin": "alpha"},
        {"size": Size(1000, 500)},
        {"size": Size(10**9, 10**9), "endpoint": endpoint("alpha")},
        {"vitals": vitals(muted_until_ms=START_MS, rest_until_ms=START_MS, open_until_ms=START_MS), **NEW},
    ],
)
def test_what_is_allowed_or_not_known_is_not_held_against_an_endpoint(changes) -> None:
    assert first_broken(RULES, case(**changes)) is None


@pytest.mark.parametrize("row", [row for row in BROKEN if "terms" in row[1]], ids=lambda row: row[0])
def test_what_an_organisation_forbids_names_whom_to_ask(row) -> None:
    broken = case(**row[1])
    rule = first_broken(RULES, broken)
    assert rule is not None
    assert "an admin of acme (ann, bob)" in rule.exclusion(broken).fix


def test_the_first_rule_of_the_table_is_the_reason_where_many_are_broken() -> None:
    broken = case(pin="beta", model=model("alpha", retired="2026-06-01"), size=Size(10**6, 10**6))
    rule = first_broken(RULES, broken)
    assert rule is not None
    assert rule.reason == "pinned_elsewhere"


def test_a_reason_that_ends_by_itself_says_when() -> None:
    assert iso_time(START_MS + 250) == "2026-09-21T14:13:20.250Z"


def test_names_with_braces_are_shown_as_they_are() -> None:
    odd = case(provider=provider("alpha", disabled=True), endpoint=endpoint("{c.token}"))
    rule = first_broken(RULES, odd)
    assert rule is not None
    assert rule.exclusion(odd).why == "The operator has disabled {c.token}."
