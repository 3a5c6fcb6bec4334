"""Who may use a route, asked of single rows."""

import pytest
from crossroads import caller

from waypost.domain.callers import ORG_SETTINGS, SETTINGS
from waypost.domain.payers import Member, Organisation
from waypost.domain.problems import Refusal
from waypost.door.admission import check_personal, operators_only, organisation_for
from waypost.door.routes import operator, organisation, own
from waypost.identity.memberships import Memberships

ACME = Organisation(3, "acme")


def memberships(role: str | None) -> Memberships:
    known = Memberships({})
    known.put_organisation(ACME)
    if role is not None:
        known.put_member(Member(3, 1, role))
    return known


@pytest.mark.parametrize("name", ["acme", "3"])
@pytest.mark.parametrize(("role", "code"), [(None, "not_found"), ("write", "organisation_forbids"), ("admin", None)])
def test_an_organisation_takes_the_role_that_its_row_says(name, role, code) -> None:
    access = organisation(ORG_SETTINGS, "admin")
    if code is None:
        assert organisation_for(access, caller(), name, memberships(role)) == ACME
        return
    with pytest.raises(Refusal) as caught:
        organisation_for(access, caller(), name, memberships(role))
    assert caught.value.code == code


def test_what_is_not_there_and_what_is_not_ones_own_are_refused_alike() -> None:
    said = []
    for name in ("acme", "none"):
        with pytest.raises(Refusal) as caught:
            organisation_for(organisation(ORG_SETTINGS, "read"), caller(), name, memberships(None))
        said.append((caught.value.message.replace(name, ""), caught.value.why, caught.value.fix))
    assert said[0] == said[1]


def test_who_is_no_operator_is_told_so_whatever_its_token() -> None:
    for refuse in (lambda: operators_only(caller(), "do this"), lambda: check_personal(operator(SETTINGS), caller())):
        with pytest.raises(Refusal) as caught:
            refuse()
        assert caught.value.code == "operator_only"


def test_a_permission_that_a_row_asks_for_must_be_there() -> None:
    check_personal(own(), caller())
    with pytest.raises(Refusal) as caught:
        check_personal(own(SETTINGS), caller())
    assert caught.value.code == "scope_missing"
