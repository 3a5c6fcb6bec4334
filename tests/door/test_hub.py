"""What Hugging Face's own clients ask of the Hub."""

import re

import pytest
from huggingface_hub.hf_api import ModelInfo
from reception import Reception

from waypost.domain.callers import INFERENCE, Grant

MAPPING = "inferenceProviderMapping"


def test_whoami_says_who_the_token_belongs_to(run):
    me = run(Reception().get("/api/whoami-v2", "anna")).json()
    assert {name: me[name] for name in ("type", "name", "fullname", "email", "orgs")} == {
        "type": "user", "name": "anna", "fullname": "Anna", "email": "anna@example.com", "orgs": [],
    }  # fmt: skip
    assert re.fullmatch("[0-9a-f]{24}", me["id"])
    assert me["auth"] == {
        "type": "access_token",
        "accessToken": {"displayName": "anna's token", "role": "write", "createdAt": "1970-01-01T00:00:00.000Z"},
    }


def test_whoami_unfolds_a_fine_grained_token(run):
    reception = Reception()
    reception.people.join(
        "fina",
        "fine",
        kind="fineGrained",
        permissions=frozenset({INFERENCE}),
        grants=(Grant("user", "fina", frozenset({"user.billing.read"})),),
        expires_at=1_800_000_000_000,
    )
    me = run(reception.get("/api/whoami-v2", "fine")).json()
    shown = me["auth"]["accessToken"]
    assert shown["role"] == "fineGrained"
    assert shown["expiration"] == "2027-01-15T08:00:00.000Z"
    assert shown["fineGrained"] == {
        "canReadGatedRepos": False,
        "global": [INFERENCE],
        "scoped": [
            {
                "entity": {"_id": me["id"], "type": "user", "name": "fina"},
                "permissions": ["user.billing.read"],
            }
        ],
    }


def test_a_user_without_an_email_has_none_rather_than_null(run):
    reception = Reception()
    reception.people.change("anna", email="", fullname="")
    me = run(reception.get("/api/whoami-v2", "anna")).json()
    assert "email" not in me
    assert (me["fullname"], me["emailVerified"]) == ("anna", False)


@pytest.mark.parametrize("query", [f"expand={MAPPING}", f"expand[]={MAPPING}", f"expand=tags&expand={MAPPING}"])
def test_one_models_mapping_is_an_object_by_slug(run, query):
    shown = run(Reception().get(f"/api/models/acme/one?{query}")).json()
    assert shown[MAPPING] == {
        "alpha": {"status": "live", "providerId": "one-at-alpha", "task": "conversational", "isModelAuthor": False},
        "beta": {"status": "live", "providerId": "one-at-beta", "task": "conversational", "isModelAuthor": True},
    }
    assert ("tags" in shown) == ("tags" in query)
    assert "pipeline_tag" not in shown


def test_a_lists_mapping_is_an_array_with_the_provider_in_each(run):
    listed = run(Reception().get(f"/api/models?inference_provider=alpha&expand={MAPPING}")).json()
    assert [one["id"] for one in listed] == ["acme/one"]
    assert [row["provider"] for row in listed[0][MAPPING]] == ["alpha", "beta"]


def test_hugging_faces_own_class_reads_both_shapes(run):
    reception = Reception()
    one = ModelInfo(**run(reception.get(f"/api/models/acme/one?expand={MAPPING}")).json())
    listed = ModelInfo(**run(reception.get(f"/api/models?expand={MAPPING}")).json()[0])
    for info in (one, listed):
        first = info.inference_provider_mapping[0]
        assert (first.provider, first.provider_id, first.status, first.task) == (
            "alpha", "one-at-alpha", "live", "conversational",
        )  # fmt: skip


def test_the_order_of_the_mapping_is_the_callers(run):
    reception = Reception()
    reception.people.prefer("anna", order=("beta",))
    assert list(run(reception.get(f"/api/models/acme/one?expand={MAPPING}", "anna")).json()[MAPPING]) == [
        "beta",
        "alpha",
    ]
    assert list(run(reception.get(f"/api/models/acme/one?expand={MAPPING}")).json()[MAPPING]) == ["alpha", "beta"]


def test_a_provider_the_caller_disabled_is_not_in_its_mapping(run):
    reception = Reception()
    reception.people.prefer("anna", disabled=frozenset({"alpha"}))
    assert list(run(reception.get(f"/api/models/acme/one?expand={MAPPING}", "anna")).json()[MAPPING]) == ["beta"]


def test_without_expand_a_model_says_what_it_is_but_not_where(run):
    shown = run(Reception().get("/api/models/acme/two")).json()
    assert shown["modelId"] == shown["id"] == "acme/two"
    assert shown["pipeline_tag"] == "image-text-to-text"
    assert shown["inference"] == "warm"
    assert MAPPING not in shown
    assert ModelInfo(**shown).created_at.year == 2025


@pytest.mark.parametrize("path", ["acme/one", "acme%2Fone", "acme/one/revision/main", "acme/uno"])
def test_a_model_is_found_by_every_path_that_clients_use(run, path):
    assert run(Reception().get(f"/api/models/{path}")).json()["id"] == "acme/one"


@pytest.mark.parametrize("token", [None, "anna"])
def test_an_unknown_model_is_a_missing_repository(run, token):
    answer = run(Reception().get("/api/models/acme/ome", token))
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RepoNotFound")
    assert answer.headers["x-error-message"] == "Repository not found"
    assert answer.json()["error"] == "Repository not found"
    assert answer.json()["nearest"][0] == "acme/one"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["acme/one", "acme/two"]),
        ("inference_provider=all", ["acme/one", "acme/two"]),
        ("inference_provider=beta", ["acme/one", "acme/two"]),
        ("inference_provider=alpha,zeta", ["acme/one"]),
        ("inference_provider=keyless", []),
        ("inference=warm", ["acme/one", "acme/two"]),
        ("pipeline_tag=image-text-to-text", ["acme/two"]),
        ("filter=conversational&filter=text-generation", ["acme/one"]),
        ("search=TWO", ["acme/two"]),
        ("search=two&author=other", []),
        ("author=acme&limit=1", ["acme/one"]),
        ("limit=1&cursor=1", ["acme/two"]),
        ("sort=trendingScore&full=true&something=new", ["acme/one", "acme/two"]),
    ],
)
def test_the_list_keeps_to_its_filters(run, query, ids):
    assert [one["id"] for one in run(Reception().get(f"/api/models?{query}")).json()] == ids


def test_pages_are_joined_by_links_that_clients_can_follow(run):
    reception = Reception()
    first = run(reception.get("/api/models?limit=1"))
    link = re.fullmatch('<http://waypost.test(/api/models.*)>; rel="next"', first.headers["link"])[1]
    second = run(reception.get(link))
    assert [one["id"] for one in second.json()] == ["acme/two"]
    assert "link" not in second.headers


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=-1", "inference=cold", "inference="])
def test_a_filter_that_makes_no_sense_is_refused(run, query):
    answer = run(Reception().get(f"/api/models?{query}"))
    assert (answer.status_code, answer.json()["param"]) == (400, query.partition("=")[0])
    assert answer.json()["error"] == answer.json()["message"]


def test_tasks_name_models_that_can_be_called(run):
    tasks = run(Reception().get("/api/tasks")).json()
    assert tasks["conversational"]["models"] == [{"id": "acme/one"}, {"id": "acme/two"}]
    assert tasks["text-generation"]["widgetModels"] == ["acme/one"]
    assert tasks["image-text-to-text"]["widgetModels"] == ["acme/two"]
