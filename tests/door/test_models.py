"""The model list: Hugging Face's shape for everybody, and the truth about what this caller may call."""

import json
import time

import pytest
from crossroads import SERVED, Crossroads, endpoint, model, usd
from reception import CREATED, Reception, small_catalogue

from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Member, Organisation
from waypost.domain.pulse import CallResult


def providers(entry):
    return {row["provider"]: row for row in entry["providers"]}


def test_the_open_list_is_the_catalogue_in_hugging_faces_shape(run):
    listed = run(Reception().get("/v1/models")).json()
    assert listed["object"] == "list"
    assert [entry["id"] for entry in listed["data"]] == ["acme/one", "acme/two"]
    first = listed["data"][0]
    assert {name: first[name] for name in first if name != "providers"} == {
        "id": "acme/one",
        "object": "model",
        "created": CREATED,
        "owned_by": "acme",
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
    }
    assert first["providers"] == [
        {
            "provider": "alpha",
            "status": "live",
            "is_model_author": False,
            "context_length": 32_768,
            "pricing": {"input": 0.1, "output": 0.3},
            "supports_tools": True,
            "supports_structured_output": False,
            "first_token_latency_ms": 200.0,
            "throughput": 120.0,
        },
        {"provider": "beta", "status": "live", "is_model_author": True, "is_free": True},
        {"provider": "keyless", "status": "error", "is_model_author": False},
    ]


def test_nothing_in_the_list_is_null_and_no_context_length_is_zero(run):
    for token in (None, "anna"):
        text = run(Reception().get("/v1/models", token)).text
        assert "null" not in text
        assert '"context_length":0' not in text


def test_retired_models_and_aliases_are_not_listed_but_an_alias_is_found(run):
    reception = Reception()
    listed = [entry["id"] for entry in run(reception.get("/v1/models")).json()["data"]]
    assert not {"acme/gone", "acme/uno"} & set(listed)
    assert run(reception.get("/v1/models/acme/uno")).json()["id"] == "acme/one"


def test_a_token_adds_whether_each_provider_may_be_called_and_why_not(run):
    reception = Reception()
    reception.people.prefer("anna", disabled=frozenset({"beta"}))
    found = providers(run(reception.get("/v1/models/acme/one", "anna")).json())
    assert found["alpha"]["callable"] is True
    assert "why_not" not in found["alpha"]
    assert found["beta"]["callable"] is False
    assert found["beta"]["why_not"]["reason"] == "disabled_by_user"
    assert "settings" in found["beta"]["why_not"]["fix"]
    assert found["beta"]["status"] == "live"
    assert found["keyless"]["why_not"]["reason"] == "no_key"
    assert found["keyless"]["status"] == "error"


def test_a_token_narrows_the_list_to_what_its_caller_may_call(run):
    reception = Reception()
    reception.people.join("nora", "narrow", models=frozenset({"acme/two"}))
    listed = run(reception.get("/v1/models", "narrow")).json()["data"]
    assert [entry["id"] for entry in listed] == ["acme/two"]
    shown = run(reception.get("/v1/models/acme/one", "narrow")).json()
    assert {row["why_not"]["reason"] for row in shown["providers"] if row["provider"] != "keyless"} == {
        "model_not_allowed"
    }


def test_a_model_whose_providers_only_rest_stays_in_the_list(run):
    crossroads = small_catalogue()
    crossroads.end("beta", CallResult("rest", retry_after_seconds=60), model="acme/two")
    reception = Reception(crossroads)
    listed = {entry["id"]: entry for entry in run(reception.get("/v1/models", "anna")).json()["data"]}
    row = providers(listed["acme/two"])["beta"]
    assert row["callable"] is False
    assert row["why_not"]["reason"] == "rate_limited"
    assert row["why_not"]["until"].endswith("Z")


def test_providers_come_in_the_callers_order(run):
    reception = Reception()
    reception.people.prefer("anna", order=("beta",))
    shown = run(reception.get("/v1/models/acme/one", "anna")).json()
    assert [row["provider"] for row in shown["providers"]] == ["beta", "alpha", "keyless"]


def test_a_default_payers_terms_stand_in_the_list_of_those_it_pays_for(run):
    reception = Reception()
    says = Preferences(order=("beta", "keyless"), disabled=frozenset({"alpha"}))
    number = reception.people.caller("anna").user.id
    reception.people.identity.load([], [], [Organisation(9, "acme", preferences=says)], [Member(9, number, "admin")])
    reception.people.prefer("anna", order=("keyless",), payer="acme")
    rows = run(reception.get("/v1/models/acme/one", "anna")).json()["providers"]
    assert [row["provider"] for row in rows] == ["keyless", "beta", "alpha"]
    assert (rows[2]["status"], rows[2]["why_not"]["reason"]) == ("live", "disabled_by_organisation")
    assert "an admin of acme (anna)" in rows[2]["why_not"]["fix"]


@pytest.mark.parametrize("path", ["/v1/models/acme/one", "/v1/models/acme%2Fone", "/v1/models/acme/one:fastest"])
def test_one_model_is_found_with_and_without_percent_signs_and_tags(run, path):
    assert run(Reception().get(path)).json()["id"] == "acme/one"


def test_an_unknown_model_is_a_404_with_the_nearest_ids(run):
    answer = run(Reception().get("/v1/models/acme/ome"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "acme/one" in error["nearest"]


def test_a_list_that_is_known_is_not_sent_again(run):
    reception = Reception()
    for path, token in (("/v1/models", None), ("/v1/models", "anna"), ("/v1/models/acme/one", None)):
        first = run(reception.get(path, token))
        again = run(reception.get(path, token, headers={"if-none-match": f'W/{first.headers["etag"]}, "x"'}))
        assert (again.status_code, again.content) == (304, b"")
        assert run(reception.get(path, token, headers={"if-none-match": '"x"'})).status_code == 200


def test_a_change_of_rights_is_seen_at_once_though_lists_are_kept(run):
    reception = Reception()
    assert len(run(reception.get("/v1/models", "anna")).json()["data"]) == 2
    reception.people.prefer("anna", disabled=frozenset({"beta"}))
    assert [entry["id"] for entry in run(reception.get("/v1/models", "anna")).json()["data"]] == ["acme/one"]


def test_a_new_catalogue_makes_a_new_list(run):
    reception = Reception()
    before = run(reception.get("/v1/models"))
    reception.crossroads.catalogue = small_catalogue().catalogue
    reception.crossroads.catalogue.models.pop("acme/two")
    after = run(reception.get("/v1/models"))
    assert [entry["id"] for entry in after.json()["data"]] == ["acme/one"]
    assert before.headers["etag"] != after.headers["etag"]


def test_measured_figures_replace_the_catalogues_once_the_kept_list_is_old(run):
    reception = Reception()

    def speed():
        return providers(run(reception.get("/v1/models")).json()["data"][0])["alpha"]["throughput"]

    assert speed() == 120.0
    reception.crossroads.end("alpha", SERVED)
    assert speed() == 120.0
    reception.now += 60
    assert speed() == 100.0


def test_two_callers_never_share_a_list(run):
    reception = Reception()
    for name, only in (("nora", "acme/one"), ("pia", "acme/two")):
        reception.people.join(name, models=frozenset({only}))

    def ids(token=None):
        return [entry["id"] for entry in run(reception.get("/v1/models", token)).json()["data"]]

    for _ in range(2):
        assert ids() == ["acme/one", "acme/two"]
        assert ids("nora") == ["acme/one"]
        assert ids("pia") == ["acme/two"]


def test_ten_thousand_models_are_encoded_once_and_then_cost_nothing(run):
    big = Crossroads(
        *[
            model(*[endpoint(f"p{n}", f"acme/m{i}", price=usd(1, 2)) for n in range(8)], name=f"acme/m{i}")
            for i in range(10_000)
        ]
    )
    reception = Reception(big)
    first = run(reception.get("/v1/models"))
    assert len(json.loads(first.content)["data"]) == 10_000
    began = time.process_time()
    assert run(reception.get("/v1/models")).headers["etag"] == first.headers["etag"]
    assert time.process_time() - began < 0.1
