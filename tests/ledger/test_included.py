from __future__ import annotations

from types import SimpleNamespace

from waypost.domain.payers import Organisation
from waypost.ledger.included import Included


def brings(organisation):
    """As the settings have it: five for users, seven for organisations without an amount of their own."""
    if organisation is None:
        return 5
    return 7 if organisation.included is None else organisation.included


def test_users_get_what_the_settings_say_and_organisations_their_own_amount_where_they_have_one():
    included = Included(brings, [Organisation(1, "acme", included=9), Organisation(2, "plain")])
    assert [included(account, 202611) for account in ("user:1", "org:1", "org:2", "org:3")] == [5, 9, 7, 0]


def test_a_changed_organisation_gets_its_new_amount():
    included = Included(brings, [Organisation(1, "acme", included=9)])
    included.apply(
        [SimpleNamespace(value=Organisation(1, "acme", included=0)), SimpleNamespace(value="another change")]
    )
    assert included("org:1", 202611) == 0
