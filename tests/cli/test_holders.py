"""Whose account it is: found by the one name that users and organisations have."""

import pytest

from waypost.cli.exits import Exit, Stop
from waypost.cli.holders import books_at
from waypost.cli.options import Where


def test_users_and_organisations_are_found_by_name_with_what_a_month_brings(alone, tmp_path) -> None:
    data = tmp_path / "data"
    alone("users", "create", "ann", "--data", data)
    alone("orgs", "create", "acme", "--included", "3", "--data", data)
    with books_at(Where(data=data)) as books:
        assert [tuple(one) for one in books.holders()] == [
            ("user", "ann", "user:1", 5 * 10**9),
            ("organisation", "acme", "org:1", 3 * 10**9),
        ]
        assert books.holder("acme").account == "org:1"
        for look, wrong in ((books.holder, "anna"), (books.user, "acme"), (books.organisation, "ann")):
            with pytest.raises(Stop) as caught:
                look(wrong)
            assert caught.value.code is Exit.USAGE
        with pytest.raises(Stop) as caught:
            books.holder("acne")
        assert str(caught.value) == "There is no user or organisation 'acne'; did you mean \"acme\"?"


def test_no_data_folder_is_said(alone, tmp_path) -> None:
    with pytest.raises(Stop) as caught, books_at(Where(data=tmp_path / "nowhere")):
        pass
    assert caught.value.code is Exit.SETTINGS
