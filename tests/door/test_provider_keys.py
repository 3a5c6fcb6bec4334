"""Own provider keys over HTTP: set, listed without them, removed; another's are never seen."""

from contextlib import asynccontextmanager

import pytest
from crossroads import Crossroads, endpoint, model, provider
from fitting import check_fits
from reception import Reception

from waypost.domain.payers import Member, Organisation
from waypost.door.provider_keys import ProviderKeyRoutes
from waypost.door.requests import ReadingRoom
from waypost.identity.keyring import Keyring
from waypost.identity.vault import FILE, Vault
from waypost.store.books import StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import Reader

PATH = "/api/settings/provider-keys"
ORGANISATION = "/api/organizations/acme/provider-keys"
CANARY = "sk-canary-0123456789"


@asynccontextmanager
async def desk(folder, vault=None):
    """The routes over a real store, and the keyring of some process."""
    owner = Owner(StoreSettings(folder))
    reader = Reader(folder)
    keyed = {slug: provider(slug, keyless=False) for slug in ("alpha", "beta")}
    crossroads = Crossroads(model(*(endpoint(slug) for slug in ("alpha", "beta", "local"))), **keyed)
    providers = lambda: crossroads.catalogue.providers  # noqa: E731 (one word)
    routes = ProviderKeyRoutes(owner, reader, ReadingRoom(), vault or Vault(folder), providers)
    reception = Reception(crossroads, **routes.handlers())
    reception.ring = Keyring(Vault(folder))
    owner.on_changes(reception.ring.apply)
    reception.people.identity.load([], [], [Organisation(1, "acme")], [Member(1, 1, "admin"), Member(1, 2, "read")])
    try:
        for name in ("anna", "otto", "ines"):
            await owner.run("user.create", {"name": name})
        await owner.run("org.create", {"name": "acme"})
        yield reception
    finally:
        reader.close()
        await owner.close()


def opened(reception, account):
    keys = reception.ring.by_owner.get(account)
    return {} if keys is None else {slug: own.key for slug, own in keys.by_provider.items()}


def test_a_key_is_set_seen_without_it_used_everywhere_and_removed(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            put = await reception.ask("PUT", f"{PATH}/alpha", "anna", json={"key": f" {CANARY}\n", "label": "lab"})
            assert (put.status_code, put.headers["cache-control"]) == (200, "no-store")
            shown = put.json()
            check_fits("ProviderKey", shown)
            assert (shown["provider"], shown["label"], shown["last4"], shown["usable"]) == (
                "alpha",
                "lab",
                "6789",
                True,
            )
            assert opened(reception, "user:1") == {"alpha": CANARY}
            listed = await reception.get(PATH, "anna")
            check_fits("ProviderKeyList", listed.json())
            assert listed.json()["data"] == [shown] == [(await reception.get(f"{PATH}/alpha", "anna")).json()]
            assert CANARY not in put.text + listed.text
            removed = await reception.ask("DELETE", f"{PATH}/alpha", "anna")
            check_fits("RemovedProviderKey", removed.json())
            assert opened(reception, "user:1") == {}
            assert (await reception.get(PATH, "anna")).json()["data"] == []
            for method in ("GET", "DELETE"):
                assert (await reception.ask(method, f"{PATH}/alpha", "anna")).status_code == 404

    run(main())


def test_the_key_lies_on_the_disk_sealed_alone(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            await reception.ask("PUT", f"{PATH}/alpha", "anna", json={"key": CANARY})

    run(main())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / FILE in files
    assert all(CANARY.encode() not in path.read_bytes() for path in files)


def test_users_and_organisations_have_their_own(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            await reception.ask("PUT", f"{PATH}/alpha", "anna", json={"key": "key-of-anna"})
            await reception.ask("PUT", f"{PATH}/alpha", "otto", json={"key": "key-of-otto"})
            await reception.ask("PUT", f"{ORGANISATION}/alpha", "anna", json={"key": "key-of-acme"})
            assert opened(reception, "user:1") == {"alpha": "key-of-anna"}
            assert opened(reception, "user:2") == {"alpha": "key-of-otto"}
            assert opened(reception, "org:1") == {"alpha": "key-of-acme"}
            assert len((await reception.get(PATH, "anna")).json()["data"]) == 1
            await reception.ask("DELETE", f"{ORGANISATION}/alpha", "anna")
            assert opened(reception, "user:1") == {"alpha": "key-of-anna"}
            assert opened(reception, "org:1") == {}

    run(main())


@pytest.mark.parametrize(
    ("slug", "body", "status", "param"),
    [
        ("alpha", {"key": "short"}, 400, "key"),
        ("alpha", {"key": f"Bearer {CANARY}"}, 400, "key"),
        ("alpha", {"key": 7}, 400, "key"),
        ("alpha", {}, 400, "key"),
        ("alpha", {"key": CANARY, "label": "x" * 65}, 400, "label"),
        ("alpha", {"key": CANARY, "kye": 1}, 400, "kye"),
        ("local", {"key": CANARY}, 400, "provider"),
        ("alpah", {"key": CANARY}, 404, None),
    ],
)
def test_what_cannot_be_kept_is_refused_without_repeating_it(run, tmp_path, slug, body, status, param):
    async def main():
        async with desk(tmp_path) as reception:
            answer = await reception.ask("PUT", f"{PATH}/{slug}", "anna", json=body)
            assert (answer.status_code, answer.json()["error"].get("param")) == (status, param)
            assert "canary" not in answer.text
            assert reception.ring.by_owner == {}

    run(main())


def test_a_key_for_a_former_address_is_shown_as_such(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            await reception.ask("PUT", f"{PATH}/alpha", "anna", json={"key": CANARY})
            object.__setattr__(reception.crossroads.catalogue.providers["alpha"], "base_url", "http://127.0.0.1:9/new")
            shown = (await reception.get(f"{PATH}/alpha", "anna")).json()
            check_fits("ProviderKey", shown)
            assert (shown["usable"], "another address" in shown["why_not"]) == (False, True)

    run(main())


def test_a_vault_that_others_can_read_keeps_nothing(run, tmp_path, caplog):
    async def main():
        async with desk(tmp_path) as reception:
            await reception.ask("PUT", f"{PATH}/alpha", "anna", json={"key": CANARY})
            (tmp_path / FILE).chmod(0o644)
            answer = await reception.ask("PUT", f"{PATH}/beta", "anna", json={"key": CANARY})
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
            assert opened(reception, "user:1") == {"alpha": CANARY}

    run(main())
    assert "chmod 600" in caplog.text
    assert CANARY not in caplog.text


class Turning(Vault):
    """Another process rotates the keys, just after something was sealed."""

    turns = 0

    def seal(self, label, plain, about):
        sealed = super().seal(label, plain, about)
        if not self.turns:
            self.turns += 1
            with Vault(self._path.parent).turned():
                pass
        return sealed


def test_a_key_that_was_set_while_keys_were_rotated_is_sealed_with_the_new_one(run, tmp_path):
    async def main():
        async with desk(tmp_path, Turning(tmp_path)) as reception:
            await reception.ask("PUT", f"{PATH}/alpha", "anna", json={"key": CANARY})
            assert opened(reception, "user:1") == {"alpha": CANARY}

    run(main())
