from waypost.domain.callers import Limits
from waypost.domain.endpoints import Preferences
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.identities import changes_since, last_seq, token_by, tokens, user_by, users


def fill(sql):
    desk = Desk(sql, 5)
    run_command(desk, "user.create", {"name": "ada", "preferences": Preferences("preferred", ("b", "a"))})
    run_command(desk, "user.create", {"name": "bob", "operator": True})
    args = {"user": "bob", "name": "ci", "kind": "read", "digest": bytes(range(32)), "last4": "zzzz"}
    run_command(desk, "token.create", args | {"limits": Limits(tokens_per_minute=7)})


def test_rows_become_the_domains_values_again(sql):
    fill(sql)
    ada, bob = users(sql)
    (token,) = tokens(sql)
    assert (ada.name, ada.operator, ada.preferences.order) == ("ada", False, ("b", "a"))
    assert (bob.name, bob.operator) == ("bob", True)
    assert (token.user_id, token.digest, token.limits.tokens_per_minute) == (bob.id, bytes(range(32)), 7)
    assert (user_by(sql, ada.id), token_by(sql, token.id)) == (ada, token)
    assert user_by(sql, 99) is token_by(sql, 99) is None


def test_changes_are_counted_and_tell_the_state_of_now(sql):
    fill(sql)
    run_command(Desk(sql, 6), "user.update", {"name": "ada", "email": "a@b"})
    changes = changes_since(sql, 0)
    assert last_seq(sql) == changes[-1].seq == 4
    assert changes[0].value.email == "a@b", "an old change tells the newest state"
    assert changes_since(sql, 4) == []
