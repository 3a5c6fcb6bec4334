"""How a user wants to be routed: read, changed, and in force once it is answered."""

from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fitting import check_fits
from reception import Reception, small_catalogue

from waypost.domain.callers import ORG_SETTINGS, SETTINGS, Grant
from waypost.domain.payers import Rules
from waypost.door.preferences import PreferencesRoutes
from waypost.store.books import StoreSettings
from waypost.store.owner import Owner

PATH = "/api/settings/inference-providers"
ACME = "/api/organizations/acme/settings/inference-providers"
FACTORY_OF_ACME = {
    "order": [],
    "disabled": [],
    "preferred_only": False,
    "price_demanded": False,
    "keys_then_credits": False,
}
FACTORY = {"default_policy": "fastest", **FACTORY_OF_ACME, "payer": None}


@asynccontextmanager
async def desk(folder):
    """The routes over a real store, whose changes reach the callers as they do in the house."""
    owner = Owner(StoreSettings(folder))
    try:
        crossroads = small_catalogue()
        identity = SimpleNamespace()
        routes = PreferencesRoutes(owner, lambda: crossroads.catalogue.providers, identity)
        reception = Reception(crossroads, **routes.handlers())
        identity.payer_named = reception.people.identity.payer_named
        owner.on_changes(reception.people.identity.apply)
        for name in ("anna", "otto", "ines"):
            await owner.run("user.create", {"name": name})
        await owner.run("org.create", {"name": "acme", "admin": "anna", "rules": {"billers": "write"}})
        await owner.run("org.create", {"name": "other"})
        await owner.run("member.set", {"organisation": "acme", "user": "otto"})
        reception.owner = owner
        yield reception
    finally:
        await owner.close()


def test_what_is_sent_is_changed_and_the_rest_stays(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            assert (await reception.get(PATH, "anna")).json() == FACTORY
            check_fits("Preferences", FACTORY)
            put = await reception.ask("PUT", PATH, "anna", json={"order": ["beta", "alpha", "beta"], "payer": None})
            wanted = {**FACTORY, "order": ["beta", "alpha"]}
            assert (put.status_code, put.json()) == (200, wanted)
            assert (await reception.get(PATH, "anna")).json() == wanted
            more = {
                "default_policy": "preferred",
                "disabled": ["keyless"],
                "preferred_only": True,
                "price_demanded": True,
                "keys_then_credits": True,
                "payer": "acme",
            }
            await reception.ask("PUT", PATH, "anna", json=more)
            assert (await reception.get(PATH, "anna")).json() == {**wanted, **more}
            await reception.ask("PUT", PATH, "anna", json={"default_policy": "alpha", "payer": "anna"})
            kept = (await reception.get(PATH, "anna")).json()
            assert (kept["default_policy"], kept["payer"]) == ("alpha", None)

    run(main())


@pytest.mark.parametrize(
    ("body", "status", "param", "nearest"),
    [
        ({"default_policy": "fastets"}, 400, "default_policy", "fastest"),
        ({"order": ["alhpa"]}, 400, "order", "alpha"),
        ({"disabled": ["alpha", "nobody-at-all"]}, 400, "disabled", None),
        ({"order": "alpha"}, 400, "order", None),
        ({"order": [1]}, 400, "order", None),
        ({"preferred_only": "yes"}, 400, "preferred_only", None),
        ({"ordre": []}, 400, "ordre", None),
        ({"order": [f"p{n}" for n in range(201)]}, 400, "order", None),
        ({"payer": "acmee"}, 403, "payer", "acme"),
        ({"payer": "other"}, 403, "payer", None),
        ({"price_demanded": 1}, 400, "price_demanded", None),
        ({"order": None}, 400, "order", None),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(run, tmp_path, body, status, param, nearest):
    async def main():
        async with desk(tmp_path) as reception:
            answer = await reception.ask("PUT", PATH, "anna", json=body)
            assert (await reception.get(PATH, "anna")).json() == FACTORY
            return answer

    answer = run(main())
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error.get("nearest")) == (status, param, nearest)


def test_a_stored_provider_that_is_gone_does_not_stop_other_changes(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            reception.people.prefer("anna", order=("left-last-year",))
            answer = await reception.ask("PUT", PATH, "anna", json={"preferred_only": True})
            assert answer.json()["order"] == ["left-last-year"]
            assert answer.status_code == 200

    run(main())


def test_a_token_for_inference_alone_may_not_look(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            return await reception.get(PATH, "ines")

    assert run(main()).status_code == 403


def test_the_default_payer_is_kept_by_name_and_only_who_may_bill_to_it_may_set_it(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            by_id = await reception.ask("PUT", PATH, "anna", json={"payer": "1"})
            assert by_id.json()["payer"] == "acme"
            assert reception.people.identity.payer(reception.people.caller("anna"), None).account == "org:1"
            reader = await reception.ask("PUT", PATH, "otto", json={"payer": "acme"})
            stranger = await reception.ask("PUT", PATH, "anna", json={"payer": "other"})
            assert (await reception.ask("PUT", PATH, "anna", json={"payer": None})).json()["payer"] is None
            return [answer.json()["error"]["code"] for answer in (reader, stranger)]

    assert run(main()) == ["organisation_forbids", "not_a_member"]


def test_an_organisations_admins_say_how_what_it_pays_for_is_routed(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            assert (await reception.get(ACME, "anna")).json() == FACTORY_OF_ACME
            check_fits("OrganisationPreferences", FACTORY_OF_ACME)
            wants = {
                "order": ["beta", "alpha"],
                "disabled": ["keyless"],
                "preferred_only": True,
                "price_demanded": True,
                "keys_then_credits": True,
            }
            put = await reception.ask("PUT", ACME, "anna", json=wants)
            assert (put.status_code, put.json()) == (200, wants)
            fewer = await reception.ask("PUT", ACME, "anna", json={"order": [], "keys_then_credits": False})
            assert fewer.json() == {**wants, "order": [], "keys_then_credits": False}
            assert (await reception.get(ACME, "anna")).json() == fewer.json()
            return reception.people.identity.payer(reception.people.caller("anna"), "acme")

    payer = run(main())
    assert payer.preferences.disabled == {"keyless"}
    assert payer.rules == Rules(billers="write", price_demanded=True), "other rules stay"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"default_policy": "fastest"}, "default_policy"),
        ({"payer": None}, "payer"),
        ({"order": ["alhpa"]}, "order"),
        ({"price_demanded": "yes"}, "price_demanded"),
        ({"billers": "read"}, "billers"),
    ],
)
def test_what_an_organisation_cannot_prefer_is_refused(run, tmp_path, body, param):
    async def main():
        async with desk(tmp_path) as reception:
            answer = await reception.ask("PUT", ACME, "anna", json=body)
            assert (await reception.get(ACME, "anna")).json() == FACTORY_OF_ACME
            return answer

    answer = run(main())
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ({"permissions": frozenset({SETTINGS})}, "scope_missing"),
        ({"permissions": frozenset({ORG_SETTINGS})}, None),
        ({"grants": (Grant("org", "acme", frozenset({ORG_SETTINGS})),)}, None),
        ({"grants": (Grant("org", "other", frozenset({ORG_SETTINGS})),)}, "scope_missing"),
    ],
)
def test_an_organisations_preferences_take_the_permission_on_it(run, tmp_path, token, code):
    async def main():
        async with desk(tmp_path) as reception:
            reception.people.join("anna", "narrow", kind="fineGrained", **token)
            await reception.owner.run("member.set", {"organisation": "acme", "user": "anna", "role": "admin"})
            number = reception.people.caller("narrow").user.id
            known = reception.people.identity.memberships
            known.put_member(replace(known.member(known.find("acme"), 1), user_id=number))
            return await reception.get(ACME, "narrow")

    answer = run(main())
    assert answer.json().get("error", {}).get("code") == code, answer.text


def test_members_who_are_no_admins_and_strangers_do_not_reach_them(run, tmp_path):
    async def main():
        async with desk(tmp_path) as reception:
            await reception.owner.run("user.update", {"name": "otto", "operator": False})
            for method, body in (("GET", None), ("PUT", {"order": []})):
                member = await reception.ask(method, ACME, "otto", json=body)
                assert (member.status_code, member.json()["error"]["code"]) == (403, "organisation_forbids")
            away = await reception.get(ACME.replace("acme", "other"), "anna")
            return away.status_code, away.json()["error"]["code"]

    assert run(main()) == (404, "not_found")
