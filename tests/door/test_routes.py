"""The route table: what is asked where, and no provider is named like a path of ours."""

from waypost.domain.callers import SCOPES
from waypost.door.routes import OWN_SEGMENTS, ROUTES, Auth, Whose
from waypost.providers.known import KNOWN


def test_no_known_provider_is_named_like_a_path_of_ours():
    assert not {row.slug for row in KNOWN} & OWN_SEGMENTS
    assert {"v1", "api", "live", "ready", "metrics", "openapi.json"} <= OWN_SEGMENTS


def test_scopes_are_asked_only_where_a_token_is_and_names_are_unique():
    assert all(row.auth is Auth.TOKEN for row in ROUTES if row.scope is not None)
    assert {row.scope for row in ROUTES if row.scope} <= set(SCOPES)
    assert len({row.name for row in ROUTES}) == len(ROUTES)
    assert len({(row.method, row.template) for row in ROUTES}) == len(ROUTES)


def test_what_changes_something_always_asks_for_a_token_or_a_signature():
    assert all(row.auth in {Auth.TOKEN, Auth.SIGNATURE} for row in ROUTES if row.method != "GET")


def test_a_role_is_asked_where_an_organisation_is_named_and_nowhere_else():
    for row in ROUTES:
        assert (row.access.role is not None) == (row.access.whose is Whose.ORGANISATION), row.name
        assert row.access.whose is not Whose.ORGANISATION or "/{name}" in row.template
        assert row.access.whose is Whose.NOBODY or row.auth is Auth.TOKEN
