"""Organisations and who is in them, as every process knows them."""

from payers import NOW

from waypost.domain.callers import User
from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Member, Organisation, Rules
from waypost.identity.memberships import Memberships

ACME, BETA = Organisation(3, "acme"), Organisation(4, "beta")


def known(*members: Member) -> Memberships:
    made = Memberships({1: User(1, "ann"), 2: User(2, "bob")})
    for organisation in (BETA, ACME):
        made.put_organisation(organisation)
    for member in members:
        made.put_member(member)
    return made


def test_an_organisation_is_found_by_name_and_by_id() -> None:
    found = known()
    assert found.find("acme") is found.find("3") is found.by_id(3) is ACME
    assert found.find("03") is found.find("ac") is found.by_id(9) is None


def test_a_users_organisations_come_by_name_and_with_its_place_in_each() -> None:
    found = known(Member(4, 1, "read"), Member(3, 1, "admin"), Member(3, 2, "write"), Member(9, 1, "read"))
    assert [(one.name, member.role) for one, member in found.of_user(1)] == [("acme", "admin"), ("beta", "read")]
    assert found.of_user(7) == []
    assert {member.user_id for member in found.members(ACME)} == {1, 2}


def test_who_left_is_nowhere_any_more() -> None:
    found = known(Member(3, 1, "admin"), Member(3, 2, "admin"))
    assert found.admins(ACME) == ("ann", "bob")
    assert found.put_member(Member(3, 2, "admin", removed_at=NOW))
    assert (found.admins(ACME), found.member(ACME, 2), found.of_user(2)) == (("ann",), None, [])
    assert not found.put_member(Member(3, 2, "admin", removed_at=NOW)), "leaving twice is leaving once"


def test_whether_admins_change_is_told() -> None:
    found = known()
    assert not found.put_member(Member(3, 1, "write"))
    assert found.put_member(Member(3, 1, "admin"))
    assert not found.put_member(Member(3, 1, "admin", 5))
    assert found.put_member(Member(3, 1, "read"))


def test_who_says_nothing_about_routes_has_no_terms() -> None:
    found = known()
    for says in (
        ACME,
        Organisation(3, "acme", spending_limit=1, rules=Rules(billers="admin", keys_then_credits=True)),
        Organisation(3, "acme", preferences=Preferences(preferred_only=True)),
    ):
        found.put_organisation(says)
        assert found.terms(says) is None


def test_whatever_is_said_about_routes_makes_terms() -> None:
    found = known(Member(3, 2, "admin"))
    for rules, preferences in (
        (Rules(models=frozenset()), Preferences()),
        (Rules(disabled_models=frozenset({"acme/one"})), Preferences()),
        (Rules(providers=frozenset()), Preferences()),
        (Rules(price_demanded=True), Preferences()),
        (Rules(), Preferences(order=("alpha",))),
        (Rules(), Preferences(disabled=frozenset({"alpha"}))),
    ):
        says = Organisation(3, "acme", preferences=preferences, rules=rules)
        found.put_organisation(says)
        terms = found.terms(says)
        assert terms is not None
        assert (terms.organisation, terms.admins, terms.preferences, terms.rules) == (
            "acme",
            ("bob",),
            preferences,
            rules,
        )
        assert found.terms(says) is terms
