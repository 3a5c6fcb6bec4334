"""Roles, and whom to ask."""

import pytest

from waypost.domain.payers import ROLES, at_least, whom_to_ask


def test_each_role_may_do_what_those_before_it_may() -> None:
    assert [[at_least(role, least) for least in ROLES] for role in ROLES] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("admins", "whom"),
    [
        ((), "the operator, for acme has no admin"),
        (("ann",), "an admin of acme (ann)"),
        (("ann", "bob", "cy"), "an admin of acme (ann, bob, cy)"),
        (("ann", "bob", "cy", "dot", "eve"), "an admin of acme (ann, bob, cy and 2 more)"),
    ],
)
def test_who_may_change_an_organisation_is_named(admins, whom) -> None:
    assert whom_to_ask("acme", admins) == whom
