from dataclasses import replace

import pytest
from crossroads import caller

from waypost.domain.callers import (
    BILLING_READ,
    CREDITS_WRITE,
    INFERENCE,
    ORG_BILLING_READ,
    SCOPES,
    SETTINGS,
    Caller,
    Grant,
    Limits,
    Token,
    User,
)
from waypost.domain.problems import Refusal
from waypost.identity.scopes import allows, check_grantable, require, unfolded

ADA = User(1, "ada")
ON_ADA = Grant("user", "ada", frozenset({INFERENCE}))
ON_ACME = Grant("org", "acme", frozenset({INFERENCE, ORG_BILLING_READ}))


def token(kind: str = "fineGrained", **more) -> Token:
    return replace(Token(2, b"", 1, "new", kind, "abcd", 0), **more)


def holder(wanted: Token) -> Caller:
    return Caller(ADA, wanted, unfolded(wanted, ADA))


@pytest.mark.parametrize(
    ("wanted", "scopes"),
    [
        (token("read"), {INFERENCE, BILLING_READ, ORG_BILLING_READ}),
        (token("write"), set(SCOPES)),
        (token("read", permissions=frozenset({SETTINGS})), {INFERENCE, BILLING_READ, ORG_BILLING_READ}),
        (token(), set()),
        (token(permissions=frozenset({INFERENCE})), {INFERENCE}),
        (token(grants=(ON_ADA,)), {INFERENCE}),
        (token(grants=(ON_ACME, Grant("user", "eve", frozenset({SETTINGS})))), set()),
    ],
)
def test_a_kind_is_unfolded_into_what_it_may_do_for_its_own_user(wanted, scopes) -> None:
    assert unfolded(wanted, ADA) == scopes


@pytest.mark.parametrize(
    ("wanted", "scope", "entity", "allowed"),
    [
        (token("write"), INFERENCE, ("user", "ada"), True),
        (token("write"), INFERENCE, ("user", "eve"), False),
        (token("read"), INFERENCE, ("org", "acme"), True),
        (token("read"), SETTINGS, ("org", "acme"), False),
        (token(grants=(ON_ACME,)), INFERENCE, ("org", "acme"), True),
        (token(grants=(ON_ACME,)), INFERENCE, ("org", "other"), False),
        (token(grants=(ON_ACME,)), INFERENCE, ("user", "ada"), False),
        (token(grants=(ON_ADA,)), INFERENCE, ("org", "acme"), False),
        (token(permissions=frozenset({INFERENCE})), INFERENCE, ("org", "acme"), True),
        (token(permissions=frozenset({INFERENCE})), INFERENCE, ("user", "eve"), False),
    ],
)
def test_a_permission_holds_on_the_entity_it_was_given_for(wanted, scope, entity, allowed) -> None:
    assert allows(holder(wanted), scope, entity) == allowed


def test_a_missing_permission_is_named_with_the_entity_it_is_missing_on() -> None:
    with pytest.raises(Refusal) as caught:
        require(holder(token(name="ci", grants=(ON_ACME,))), INFERENCE)
    refused = caught.value
    assert (refused.code, refused.status) == ("scope_missing", 403)
    assert refused.message == (
        "This token does not have sufficient permissions to call Inference Providers on behalf of user ada: "
        "it lacks inference.serverless.write."
    )
    assert refused.why == "token 'ci' is of the kind fineGrained and may: nothing"
    assert refused.extra == {"permission": INFERENCE, "entity": {"type": "user", "name": "ada"}}


def test_a_missing_permission_on_an_organisation_names_the_organisation() -> None:
    with pytest.raises(Refusal, match="on behalf of org acme"):
        require(holder(token(grants=(ON_ADA,))), INFERENCE, ("org", "acme"))


MAKER = caller(
    models=frozenset({"acme/one", "acme/two"}),
    providers=frozenset({"alpha"}),
    expires_at=5_000,
)
WITHIN = {
    "models": frozenset({"acme/one"}),
    "providers": frozenset({"alpha"}),
    "expires_at": 5_000,
    "permissions": frozenset({INFERENCE}),
}


def test_a_token_may_grant_what_its_maker_has() -> None:
    check_grantable(MAKER, token(**WITHIN))
    check_grantable(holder(token("write")), token("write", grants=(ON_ADA, ON_ACME)))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"permissions": frozenset({INFERENCE, SETTINGS})}, SETTINGS),
        ({"kind": "write"}, CREDITS_WRITE),
        ({"grants": (Grant("user", "eve", frozenset({INFERENCE})),)}, INFERENCE),
        ({"grants": (Grant("org", "acme", frozenset({SETTINGS})),)}, SETTINGS),
        ({"models": None}, "models"),
        ({"models": frozenset({"acme/three"})}, "models"),
        ({"providers": None}, "providers"),
        ({"expires_at": None}, "time"),
        ({"expires_at": 5_001}, "time"),
    ],
)
def test_a_token_never_grants_more_than_its_maker_has(more, what) -> None:
    reader = replace(MAKER, scopes=unfolded(token("read"), ADA), token=replace(MAKER.token, kind="read"))
    with pytest.raises(Refusal) as caught:
        check_grantable(reader, token(**{**WITHIN, **more}))
    assert caught.value.code == "scope_missing"
    assert caught.value.extra["permission"] == what


def test_a_permission_on_one_entity_is_not_granted_on_all() -> None:
    maker = holder(token(grants=(ON_ADA, ON_ACME)))
    check_grantable(maker, token(grants=(ON_ADA, ON_ACME)))
    for wanted in (token(permissions=frozenset({INFERENCE})), token("read"), token("write")):
        with pytest.raises(Refusal):
            check_grantable(maker, wanted)


@pytest.mark.parametrize("kind", ["read", "write"])
def test_every_permission_of_today_is_not_every_permission_there_will_be(kind) -> None:
    maker = holder(token(permissions=frozenset(SCOPES)))
    check_grantable(maker, token(permissions=frozenset(SCOPES)))
    with pytest.raises(Refusal) as caught:
        check_grantable(maker, token(kind))
    assert caught.value.extra["permission"] == "kind"


@pytest.mark.parametrize(
    "limits", [Limits(60), Limits(None, 1_000), Limits(None, None, 1), Limits(None, None, None, 0)]
)
def test_a_token_with_limits_makes_no_other_because_two_would_have_twice_as_much(limits) -> None:
    maker = replace(MAKER, token=replace(MAKER.token, limits=limits))
    with pytest.raises(Refusal) as caught:
        check_grantable(maker, token(**{**WITHIN, "limits": limits}))
    assert caught.value.extra["permission"] == "limits"
