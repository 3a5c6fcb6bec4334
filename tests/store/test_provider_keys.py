"""Own keys as the store keeps them: sealed, one for each owner and provider, and every change told."""

import pytest

from waypost.domain.own_keys import ProviderKey
from waypost.domain.problems import Refusal
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.frames import packed_changes, packed_value, unpacked_changes, unpacked_value
from waypost.store.identities import changes_since
from waypost.store.provider_keys import provider_keys

NOW = 1_790_000_000_000
KEY = {
    "owner": "user:1",
    "provider": "alpha",
    "label": "mine",
    "base_url": "https://alpha.example/v1",
    "sealed": b"\x01sealed",
    "last4": "wxyz",
}


@pytest.fixture
def do(sql):
    def run(command: str, /, **args):
        return run_command(Desk(sql, NOW), command, args)

    run("user.create", name="ann")
    run("org.create", name="acme")
    return run


def test_a_key_is_kept_for_its_owner_and_provider_and_the_next_takes_its_place(do, sql) -> None:
    first = do("key.set", **KEY)
    assert first == ProviderKey(first.id, "user:1", "alpha", "mine", KEY["base_url"], b"\x01sealed", "wxyz", NOW)
    second = do("key.set", **{**KEY, "sealed": b"\x01other", "label": "new"})
    others = [do("key.set", **{**KEY, "owner": "org:1"}), do("key.set", **{**KEY, "provider": "beta"})]
    assert second.id == first.id
    assert provider_keys(sql) == [others[0], second, others[1]]
    assert provider_keys(sql, "user:1") == [second, others[1]]


def test_every_change_is_told_with_the_key_as_it_is_now(do, sql) -> None:
    made = do("key.set", **KEY)
    assert changes_since(sql, 0)[-1].value == made
    gone = do("key.remove", owner="user:1", provider="alpha")
    assert (gone.sealed, gone.last4) == (None, "")
    last = changes_since(sql, 0)[-1]
    assert (last.subject, last.id, last.value) == ("provider_key", made.id, gone)
    assert provider_keys(sql) == []


def test_changes_and_answers_pass_between_processes(do, sql) -> None:
    made = do("key.set", **KEY)
    assert unpacked_value(packed_value(made)) == made
    changes = changes_since(sql, 0)
    assert unpacked_changes(packed_changes(changes)) == changes


def test_a_key_is_sealed_anew_only_where_it_is_still_the_same(do, sql) -> None:
    made = do("key.set", **KEY)
    assert do("key.reseal", id=made.id, was=b"\x01sealed", sealed=b"\x01again")
    assert not do("key.reseal", id=made.id, was=b"\x01sealed", sealed=b"\x01late")
    assert [key.sealed for key in provider_keys(sql)] == [b"\x01again"]
    do("key.remove", owner="user:1", provider="alpha")
    assert not do("key.reseal", id=made.id, was=b"\x01again", sealed=b"\x01late")


def test_what_is_not_there_cannot_be_removed(do) -> None:
    do("key.set", **KEY)
    do("key.remove", owner="user:1", provider="alpha")
    for owner, provider in (("user:1", "alpha"), ("user:1", "beta"), ("user:2", "alpha")):
        with pytest.raises(Refusal) as refused:
            do("key.remove", owner=owner, provider=provider)
        assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner": "user:99"},
        {"owner": "org:99"},
        {"owner": "granted"},
        {"owner": "user:"},
        {"owner": "user:1 "},
        {"owner": "provider:1"},
        {"provider": "No Slug"},
        {"label": ""},
        {"label": "x" * 65},
        {"label": "a\nb"},
        {"base_url": ""},
        {"last4": "wxyzz"},
        {"sealed": b""},
        {"sealed": b"x" * 8193},
    ],
)
def test_what_cannot_be_a_key_is_refused(do, sql, wrong) -> None:
    with pytest.raises(Refusal) as refused:
        do("key.set", **{**KEY, **wrong})
    assert refused.value.param == next(iter(wrong)).replace("last4", "base_url")
    assert provider_keys(sql) == []
