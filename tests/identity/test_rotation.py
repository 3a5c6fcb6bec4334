"""Rotation: afterwards nothing needs the old key, and what was lost before is told."""

import asyncio

import pytest

from waypost.domain.endpoints import Provider
from waypost.identity.keyring import Keyring, sealed_key
from waypost.identity.rotation import Rotated, rotate
from waypost.identity.vault import FILE, REPLIES, Vault, key_of
from waypost.store.books import StoreSettings
from waypost.store.keyed_calls import reply_about
from waypost.store.owner import Owner
from waypost.store.reader import Reader
from waypost.store.visitor import visit

KEY, BODY = b"k" * 32, b"b" * 32
ALPHA = Provider("alpha", "https://alpha.example/v1")


@pytest.fixture
def filled(tmp_path):
    """A folder with two own keys and a few kept replies."""
    vault = Vault(tmp_path)
    with visit(tmp_path) as run:
        run("user.create", {"name": "ann"})
        for slug in ("alpha", "beta"):
            provider = Provider(slug, f"https://{slug}.example/v1")
            args = {"owner": "user:1", "provider": slug, "label": slug, "base_url": provider.base_url, "last4": ""}
            run("key.set", {**args, "sealed": sealed_key(vault, "user:1", provider, f"key-of-{slug}")})
        for call in range(1, 40):
            key = bytes([call]) * 32
            run("keyed.claim", {"user": 1, "key": key, "body": BODY, "call": call})
            sealed = vault.seal(REPLIES, b"said %d" % call, reply_about(1, key, call))
            kept = {"user": 1, "key": key, "call": call, "status": 200, "head": b"", "sealed": sealed}
            run("keyed.keep", kept)
    return tmp_path


def test_everything_is_sealed_anew_and_opens(filled) -> None:
    old = Vault(filled)
    old.check()
    before = old.newest
    reader = Reader(filled)
    with visit(filled) as run:
        assert rotate(Vault(filled), reader, run) == Rotated(2, 39, 0)
    vault = Vault(filled)
    ring = Keyring(vault)
    ring.load(reader.provider_keys())
    mine = ring.by_owner["user:1"].by_provider
    assert [mine[slug].key for slug in ("alpha", "beta")] == ["key-of-alpha", "key-of-beta"]
    replies = reader.kept_replies(0, 100)
    opened = [vault.open(REPLIES, one.sealed, reply_about(1, one.key, one.call)) for one in replies]
    assert opened == [b"said %d" % call for call in range(1, 40)]
    assert before not in {key_of(one.sealed) for one in (*reader.provider_keys(), *replies)}
    assert len((filled / FILE).read_text().splitlines()) == 1
    reader.close()


def test_what_cannot_be_opened_is_told_and_left(filled) -> None:
    (filled / FILE).unlink()
    reader = Reader(filled)
    before = reader.provider_keys()
    with visit(filled) as run:
        assert rotate(Vault(filled), reader, run) == Rotated(0, 0, 41)
    assert reader.provider_keys() == before
    reader.close()


def test_a_rotation_that_cannot_be_written_keeps_every_key(filled) -> None:
    def run(command: str, args: object) -> None:
        raise OSError("the disk is full")

    reader = Reader(filled)
    with pytest.raises(OSError, match="full"):
        rotate(Vault(filled), reader, run)
    ring = Keyring(Vault(filled))
    ring.load(reader.provider_keys())
    assert ring.by_owner["user:1"].by_provider["alpha"].key == "key-of-alpha"
    reader.close()


def test_processes_that_serve_go_on_with_the_same_keys(filled) -> None:
    async def story() -> None:
        owner = Owner(StoreSettings(filled))
        reader = Reader(filled)
        heard = []
        ring = Keyring(Vault(filled), lambda *what: heard.append(what))
        ring.load(reader.provider_keys())
        owner.on_changes(ring.apply)
        loop = asyncio.get_running_loop()

        def run(command, args):
            return asyncio.run_coroutine_threadsafe(owner.run(command, args), loop).result()

        before = ring.by_owner["user:1"]
        assert await asyncio.to_thread(rotate, Vault(filled), reader, run) == Rotated(2, 39, 0)
        assert ring.by_owner["user:1"] is before
        assert not heard
        reader.close()
        await owner.close()

    asyncio.run(story())
