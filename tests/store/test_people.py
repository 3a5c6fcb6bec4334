import pytest

from waypost.domain.callers import Grant, Limits
from waypost.domain.endpoints import Preferences
from waypost.domain.problems import Refusal
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.identities import changes_since, last_seq, tokens, users

NOW = 1_790_000_000_000


@pytest.fixture
def do(sql):
    def run(command: str, /, **args):
        return run_command(Desk(sql, NOW), command, args)

    return run


def mint(do, **args):
    return do(
        "token.create",
        **{"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": "wxyz"} | args,
    )


def test_a_user_is_made_changed_and_listed(do, sql):
    made = do("user.create", name="ada", fullname="Ada L.", operator=True)
    assert (made.name, made.fullname, made.operator, made.created_at) == ("ada", "Ada L.", True, NOW)
    wants = Preferences("cheapest", ("alpha",), frozenset({"beta"}), preferred_only=True)
    changed = do("user.update", name="ada", email="ada@example.org", preferences=wants)
    assert (changed.fullname, changed.email, changed.operator, changed.preferences) == (
        "Ada L.",
        "ada@example.org",
        True,
        wants,
    )
    assert do("user.update", name="ada", operator=False).operator is False
    assert users(sql) == [do("user.update", name="ada")]


@pytest.mark.parametrize("name", ["", "Ada", "-ada", "a" * 65, "ada lovelace", "ada/1", "ädä", "ada\n"])
def test_a_name_that_would_not_work_in_a_url_is_refused(do, name):
    with pytest.raises(Refusal, match="cannot be a user's name") as caught:
        do("user.create", name=name)
    assert (caught.value.code, caught.value.param, bool(caught.value.fix)) == ("invalid_request", "name", True)


def test_names_are_unique(do):
    do("user.create", name="ada")
    with pytest.raises(Refusal, match="already a user named 'ada'"):
        do("user.create", name="ada")


def test_texts_have_an_end(do):
    with pytest.raises(Refusal, match="longer than 200"):
        do("user.create", name="ada", fullname="x" * 201)


def test_a_token_keeps_everything_it_was_made_with(do, sql):
    do("user.create", name="ada")
    made = mint(
        do,
        kind="fineGrained",
        expires_at=NOW + 1,
        permissions=frozenset({"user.settings"}),
        grants=(Grant("org", "acme", frozenset({"inference.serverless.write"})),),
        models=frozenset({"acme/one"}),
        providers=frozenset({"alpha"}),
        limits=Limits(10, 1000, 2),
    )
    assert tokens(sql) == [made]
    assert (made.expires_at, made.limits, made.models) == (NOW + 1, Limits(10, 1000, 2), frozenset({"acme/one"}))
    assert made.grants[0].permissions == frozenset({"inference.serverless.write"})


def test_arguments_may_come_as_plain_json_too(do):
    do("user.create", name="ada", preferences={"default_policy": "cheapest", "order": ["alpha"]})
    made = mint(do, limits={"streams_at_once": 3}, models=["acme/one"])
    assert (made.limits.streams_at_once, made.models) == (3, frozenset({"acme/one"}))


def test_a_live_tokens_name_is_taken_and_a_revoked_ones_is_free(do):
    do("user.create", name="ada")
    first = mint(do)
    with pytest.raises(Refusal, match="already has a token named 'laptop'"):
        mint(do, digest=b"e" * 32)
    do("token.revoke", id=first.id)
    assert mint(do, digest=b"e" * 32).id != first.id


def test_revoking_twice_is_revoking_once(do, sql):
    do("user.create", name="ada")
    token = mint(do)
    once = do("token.revoke", id=token.id)
    seq = last_seq(sql)
    assert do("token.revoke", id=token.id) == once
    assert once.revoked_at == NOW
    assert last_seq(sql) == seq


@pytest.mark.parametrize(
    ("args", "param"),
    [({"user": "bob"}, "user"), ({"kind": "admin"}, "kind"), ({"name": " "}, "name"), ({"name": "a\nb"}, "name")],
)
def test_a_token_that_makes_no_sense_is_refused(do, args, param):
    do("user.create", name="ada")
    with pytest.raises(Refusal) as caught:
        mint(do, **args)
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)


def test_the_last_use_only_moves_forward_and_is_no_change(do, sql):
    do("user.create", name="ada")
    token = mint(do)
    seq = last_seq(sql)
    for used_at in (50, 40):
        do("token.used", uses={token.id: used_at})
    assert tokens(sql)[0].last_used_at == 50
    assert last_seq(sql) == seq


def test_every_change_has_its_row_with_the_state_after_it(do, sql):
    do("user.create", name="ada")
    token = mint(do)
    revoked = do("token.revoke", id=token.id)
    changes = changes_since(sql, 0)
    assert [(change.subject, change.id) for change in changes] == [("user", 1), ("token", 1), ("token", 1)]
    assert changes[-1].value == revoked
    assert changes_since(sql, 2) == changes[2:]
