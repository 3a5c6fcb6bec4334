"""The keyring: opened keys by owner, new objects for what changed and for nothing else."""

import logging
from dataclasses import replace
from typing import NamedTuple

import pytest

from waypost.domain.own_keys import ProviderKey
from waypost.domain.problems import Refusal
from waypost.identity.keyring import Keyring, about, read_key
from waypost.identity.vault import PROVIDER_KEYS, Vault

SECRET = "sk-canary-0123456789"
BASE = "https://alpha.example/v1"


class Change(NamedTuple):
    value: object


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path)


def kept(vault, key=SECRET, owner="user:1", provider="alpha", base_url=BASE) -> ProviderKey:
    sealed = vault.seal(PROVIDER_KEYS, key.encode(), about(owner, provider, base_url))
    return ProviderKey(7, owner, provider, "mine", base_url, sealed, key[-4:], 0)


def test_keys_are_found_by_account_and_provider(vault) -> None:
    ring = Keyring(vault)
    ring.load([kept(vault), kept(vault, "other-key-1", provider="beta"), kept(vault, "org-key-12", owner="org:3")])
    mine = ring.by_owner["user:1"]
    assert {slug: own.key for slug, own in mine.by_provider.items()} == {"alpha": SECRET, "beta": "other-key-1"}
    assert ring.by_owner["org:3"].by_provider["alpha"].key == "org-key-12"
    assert SECRET not in repr(ring.by_owner)


def test_changes_are_told_and_make_new_objects(vault) -> None:
    heard = []
    ring = Keyring(vault, lambda owner, provider: heard.append((owner, provider)))
    first = kept(vault)
    ring.load([first])
    before = ring.by_owner["user:1"]
    ring.apply([Change(kept(vault, "another-key")), Change("something else")])
    after = ring.by_owner["user:1"]
    assert (before.by_provider["alpha"].key, after.by_provider["alpha"].key) == (SECRET, "another-key")
    ring.apply([Change(replace(first, sealed=None))])
    assert "user:1" not in ring.by_owner
    assert heard == [("user:1", "alpha")] * 2


def test_what_was_only_sealed_anew_is_the_same_object(vault) -> None:
    heard = []
    ring = Keyring(vault, lambda *what: heard.append(what))
    ring.load([kept(vault)])
    before = ring.by_owner["user:1"]
    ring.apply([Change(kept(vault))])
    assert ring.by_owner["user:1"] is before
    assert not heard


def test_a_key_moved_to_another_owner_or_address_in_the_database_does_not_open(vault, caplog) -> None:
    ring = Keyring(vault)
    stolen = [replace(kept(vault), owner="user:2"), replace(kept(vault), base_url="https://evil.example")]
    with caplog.at_level(logging.WARNING):
        ring.load(stolen)
    assert [keys.by_provider["alpha"].key for keys in ring.by_owner.values()] == [None, None]
    assert "cannot be opened" in caplog.text
    assert SECRET not in caplog.text


def test_the_removal_of_what_was_never_there_is_nothing(vault) -> None:
    ring = Keyring(vault)
    ring.apply([Change(replace(kept(vault), sealed=None))])
    assert not ring.by_owner


@pytest.mark.parametrize(
    "text", ["", "short", "Bearer sk-0123456789", "with blank inside", "k" * 4097, "\u043a\u043b\u044e\u0447" * 4]
)
def test_what_cannot_be_a_key_is_refused_and_not_repeated(text) -> None:
    with pytest.raises(Refusal) as refused:
        read_key(text)
    said = f"{refused.value.message} {refused.value.why} {refused.value.fix}"
    assert refused.value.param == "key"
    assert len(text) < 6 or text not in said


def test_white_space_around_a_key_is_a_slip() -> None:
    assert read_key(f" {SECRET}\n") == (SECRET, "6789")
    assert read_key("12345678") == ("12345678", "")
