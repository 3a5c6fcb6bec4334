"""How a user wants to be routed: read, changed, and in force once it is answered."""

from contextlib import asynccontextmanager

import pytest
from fitting import check_fits
from reception import Reception, small_catalogue

from waypost.door.preferences import PreferencesRoutes
from waypost.store.books import StoreSettings
from waypost.store.owner import Owner

PATH = "/api/settings/inference-providers"
FACTORY = {"default_policy": "fastest", "order": [], "disabled": [], "preferred_only": False, "payer": None}


@asynccontextmanager
async def desk(folder):
    """The routes over a real store, whose changes reach the callers as they do in the house."""
    owner = Owner(StoreSettings(folder))
    try:
        crossroads = small_catalogue()
        routes = PreferencesRoutes(owner, lambda: crossroads.catalogue.providers)
        reception = Reception(crossroads, **routes.handlers())

        def changed(changes):
            for change in changes:
                if change.value.name == "anna":
                    kept = change.value.preferences
                    reception.people.prefer("anna", **{name: getattr(kept, name) for name in kept.__slots__})

        owner.on_changes(changed)
        await owner.run("user.create", {"name": "anna"})
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
            more = {"default_policy": "preferred", "disabled": ["keyless"], "preferred_only": True}
            await reception.ask("PUT", PATH, "anna", json=more)
            assert (await reception.get(PATH, "anna")).json() == {**wanted, **more}
            await reception.ask("PUT", PATH, "anna", json={"default_policy": "alpha", "payer": "anna"})
            assert (await reception.get(PATH, "anna")).json()["default_policy"] == "alpha"

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
        ({"payer": "acme"}, 403, "payer", None),
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
