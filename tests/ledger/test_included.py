from __future__ import annotations

from types import SimpleNamespace

from waypost.domain.payers import Organisation
from waypost.ledger.included import Included


def test_users_get_what_the_settings_say_and_organisations_their_own_amount_where_they_have_one():
    included = Included(5, 7, [Organisation(1, "acme", included=9), Organisation(2, "plain")])
    assert [included(account, 202611) for account in ("user:1", "org:1", "org:2", "org:3")] == [5, 9, 7, 7]


def test_a_changed_organisation_gets_its_new_amount():
    included = Included(5, 7, [Organisation(1, "acme", included=9)])
    included.apply(
        [SimpleNamespace(value=Organisation(1, "acme", included=0)), SimpleNamespace(value="another change")]
    )
    assert included("org:1", 202611) == 0
