"""Tokens over HTTP: shown once, listed without secrets, never mightier than their maker."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from crossroads import START_MS
from fitting import check_fits
from reception import Reception

from waypost.domain.callers import INFERENCE, SETTINGS, Grant, Limits
from waypost.domain.payers import Member, Organisation
from waypost.door.requests import ReadingRoom
from waypost.door.tokens import TokenRoutes
from waypost.identity.tokens import Minted
from waypost.store.books import StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import Reader

PATH = "/api/settings/tokens"
LATER = "2027-01-01T00:00:00Z"
LATER_MS = 1_798_761_600_000


@asynccontextmanager
async def desk(folder):
    owner = Owner(StoreSettings(folder))
    reader = Reader(folder)
    identity = SimpleNamespace()
    count = 0

    def mint():
        nonlocal count
        count += 1
        return Minted(f"wp_secret{count:04}")

    try:
        routes = TokenRoutes(owner, reader, ReadingRoom(), mint, identity, lambda: START_MS)
        reception = Reception(**routes.handlers())
        known = reception.people.identity
        identity.check_grantable, identity.digest = known.check_grantable, known.digest
        organisations = [Organisation(7, "acme"), Organisation(8, "other")]
        known.load([], [], organisations, [Member(7, number, "read") for number in range(1, 5)])
        for name in ("anna", "otto"):
            await owner.run("user.create", {"name": name})
        yield reception
    finally:
        reader.close()
        await owner.close()


def test_a_token_is_made_listed_and_revoked(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            body = {
                "name": "ci",
                "permissions": [INFERENCE, "user.billing.read"],
                "expires_at": LATER,
                "models": ["acme/one"],
                "limits": {"requests_per_minute": 60, "spending_nano_usd_per_month": 0},
            }
            made = await reception.ask("POST", PATH, "anna", json=body)
            assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
            token = made.json()
            check_fits("Token", token)
            assert token.pop("secret") == "wp_secret0001"
            assert {name: token[name] for name in body} == {
                **body,
                "permissions": sorted(body["permissions"]),
                "expires_at": "2027-01-01T00:00:00.000Z",
            }
            assert token["kind"] == "fineGrained"
            listed = await reception.get(PATH, "anna")
            assert listed.json()["data"] == [token]
            assert "wp_secret" not in listed.text
            revoked = await reception.ask("DELETE", f"{PATH}/{token['id']}", "anna")
            assert revoked.json()["revoked_at"].endswith("Z")
            assert (await reception.get(PATH, "anna")).json()["data"] == []

    run(main())


def test_a_token_that_asks_for_nothing_may_only_call_models(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            return (await reception.ask("POST", PATH, "anna", json={"name": "least"})).json()

    made = run(main())
    assert (made["kind"], made["permissions"], made["scoped"]) == ("fineGrained", [INFERENCE], [])


def test_another_users_tokens_are_neither_seen_nor_revoked(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            number = (await reception.ask("POST", PATH, "otto", json={"name": "his"})).json()["id"]
            assert (await reception.get(PATH, "anna")).json()["data"] == []
            for wanted in (number, number + 1, "x", "9" * 30, "-1"):
                answer = await reception.ask("DELETE", f"{PATH}/{wanted}", "anna")
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
            assert len((await reception.get(PATH, "otto")).json()["data"]) == 1

    run(main())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "kind": "admin"}, "kind"),
        ({"name": "x", "kind": "read", "permissions": [INFERENCE]}, "permissions"),
        ({"name": "x", "permissions": ["inference.serverless.wirte"]}, "permissions"),
        ({"name": "x", "scoped": [{"entity": {"type": "model", "name": "x"}, "permissions": []}]}, "scoped"),
        ({"name": "x", "expires_at": "2020-01-01"}, "expires_at"),
        ({"name": "x", "expires_at": "soon"}, "expires_at"),
        ({"name": "x", "models": [""]}, "models"),
        ({"name": "x", "limits": {"requests_per_minute": 0}}, "limits"),
        ({"name": "x", "limits": {"requests_per_second": 1}}, "requests_per_second"),
        ({"name": "x", "limits": {"spending_nano_usd_per_month": -1}}, "limits"),
        ({"name": "x", "limits": {"spending_nano_usd_per_month": 2**63}}, "limits"),
        ({"name": "x", "digest": "abc"}, "digest"),
    ],
)
def test_what_makes_no_token_is_refused_by_field(run, tmp_path, body, param):
    async def main():
        async with desk(tmp_path) as reception:
            answer = await reception.ask("POST", PATH, "anna", json=body)
            assert (await reception.get(PATH, "anna")).json()["data"] == []
            return answer

    answer = run(main())
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def fine(permissions=(INFERENCE, SETTINGS), **more):
    return {"kind": "fineGrained", "permissions": frozenset(permissions), **more}


def on(organisation):
    return {"entity": {"type": "org", "name": organisation}, "permissions": [INFERENCE]}


@pytest.mark.parametrize(
    ("maker", "body", "status"),
    [
        ({}, {"kind": "write"}, 201),
        ({}, {"kind": "read"}, 201),
        (fine(), {"kind": "write"}, 403),
        (fine(), {"kind": "read"}, 403),
        (fine(), {"permissions": [INFERENCE]}, 201),
        (fine(), {"permissions": ["user.billing.read"]}, 403),
        (fine([SETTINGS]), {}, 403),
        (fine(), {"scoped": [{"entity": {"type": "org", "name": "acme"}, "permissions": ["org.billing.read"]}]}, 403),
        (
            fine(grants=(Grant("org", "acme", frozenset({"org.billing.read"})),)),
            {"scoped": [{"entity": {"type": "org", "name": "acme"}, "permissions": ["org.billing.read"]}]},
            201,
        ),
        (
            fine([SETTINGS], grants=(Grant("user", "anna", frozenset({INFERENCE})),)),
            {"permissions": [INFERENCE]},
            403,
        ),
        ({"models": frozenset({"acme/one"})}, {}, 403),
        ({"models": frozenset({"acme/one"})}, {"models": ["acme/one"]}, 201),
        ({"models": frozenset({"acme/one"})}, {"models": ["acme/one", "acme/two"]}, 403),
        ({"providers": frozenset({"alpha"})}, {"providers": ["beta"]}, 403),
        ({"expires_at": LATER_MS}, {}, 403),
        ({"expires_at": LATER_MS}, {"expires_at": LATER}, 201),
        ({"expires_at": LATER_MS}, {"expires_at": "2027-01-01T00:00:01Z"}, 403),
        ({"limits": Limits(requests_per_minute=1)}, {"limits": {"requests_per_minute": 1}}, 403),
        (
            {"limits": Limits(spending_nano_usd_per_month=9)},
            {"limits": {"spending_nano_usd_per_month": 1}},
            403,
        ),
        (fine(), {"permissions": [], "scoped": [on("acme")]}, 201),
        ({}, {"scoped": [on("acme")]}, 201),
        ({}, {"scoped": [on("other")]}, "not_a_member"),
        ({}, {"scoped": [on("none")]}, "organisation_unknown"),
        ({}, {"scoped": [on("7")]}, "organisation_unknown"),
    ],
)
def test_no_token_is_mightier_than_its_maker(run, tmp_path, maker, body, status):
    async def main():
        async with desk(tmp_path) as reception:
            reception.people.join("anna", "maker", **maker)
            return await reception.ask("POST", PATH, "maker", json={"name": "new", **body})

    answer = run(main())
    refused = "scope_missing" if status == 403 else status
    assert answer.status_code == (201 if status == 201 else 403), answer.text
    if status != 201:
        assert answer.json()["error"]["code"] == refused
