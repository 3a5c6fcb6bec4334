"""Users and tokens found by what people call them."""

from __future__ import annotations

import pytest

from waypost.cli.exits import Stop
from waypost.cli.people import People
from waypost.domain.callers import Token, User


def token(number: int, user: int, name: str, revoked_at: int | None = None) -> Token:
    return Token(number, b"", user, name, "write", "abcd", 0, revoked_at=revoked_at)


PEOPLE = People(
    [User(1, "anna"), User(2, "otto", operator=True)],
    [token(1, 1, "ci"), token(2, 2, "ci"), token(3, 1, "old", 5), token(4, 1, "7"), token(7, 2, "lucky")],
)


def test_the_first_operator_is_taken_where_nobody_is_named() -> None:
    assert PEOPLE.operator().name == "otto"
    assert PEOPLE.user("anna").id == 1
    assert PEOPLE.name_of(2) == "otto"
    assert PEOPLE.name_of(9) == "9"


@pytest.mark.parametrize(
    ("text", "user", "number"),
    [("ci", "anna", 1), ("ci", "otto", 2), ("2", None, 2), ("old", None, 3), ("7", None, 4), ("lucky", None, 7)],
)
def test_a_token_is_found_by_name_before_number(text, user, number) -> None:
    assert PEOPLE.token(text, user).id == number


@pytest.mark.parametrize(
    ("text", "user", "said"),
    [
        ("ci", None, r"Several users have a token 'ci': anna \(id 1\), otto \(id 2\)"),
        ("lcky", None, 'did you mean "lucky"'),
        ("99", None, "There is no token '99'"),
        ("lucky", "anna", "There is no token 'lucky'"),
        ("ci", "ann", 'did you mean "anna"'),
    ],
)
def test_what_is_not_found_is_a_usage_error_with_the_nearest(text, user, said) -> None:
    with pytest.raises(Stop, match=said) as stopped:
        PEOPLE.token(text, user)
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("users", "said"), [([], "There is no user yet"), ([User(1, "anna")], "No user is an operator")]
)
def test_where_there_is_no_operator_one_has_to_be_named(users, said) -> None:
    with pytest.raises(Stop, match=said) as stopped:
        People(users, []).operator()
    assert stopped.value.code == 3
