"""The OpenAPI document: made from the tables, complete, and readable by others' tools."""

import json

import schemathesis
from reception import Reception

from waypost.domain.problems import CODES
from waypost.door.openapi import OPERATIONS, codes_of, document, openapi
from waypost.door.routes import ROUTES, Auth

DOCUMENT = json.loads(document())


def operations():
    return {operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()}


def test_every_route_is_described_and_nothing_else():
    assert {row.name for row in ROUTES} == operations().keys() == OPERATIONS.keys()
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_status_a_route_may_answer_with_is_listed():
    for row in ROUTES:
        listed = operations()[row.name]["responses"]
        assert {str(CODES[code].status) for code in codes_of(row)} <= listed.keys(), row.name
        assert "default" in listed
        assert ("401" in listed) == (row.auth in {Auth.TOKEN, Auth.OPTIONAL}), row.name
        assert row.scope is None or "403" in listed


def test_the_token_is_asked_for_where_the_table_asks_for_it():
    shown = {name: operation["security"] for name, operation in operations().items()}
    assert shown["chat"] == [{"token": []}]
    assert shown["list_models"] == [{}, {"token": []}]
    assert shown["live"] == []


def test_holes_in_paths_are_parameters():
    assert "/v1/models/{model}" in DOCUMENT["paths"]
    parameters = DOCUMENT["paths"]["/v1/models/{model}"]["get"]["parameters"]
    assert [(one["name"], one["in"], one["required"]) for one in parameters] == [("model", "path", True)]


def test_a_conversation_may_be_answered_as_a_stream():
    content = operations()["chat"]["responses"]["200"]["content"]
    assert content.keys() == {"application/json", "text/event-stream"}


def test_schemathesis_reads_every_operation():
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = [result.ok() for result in schema.get_all_operations()]
    assert len(found) == len(ROUTES)


def test_the_document_is_served_as_it_is_written(run):
    answer = run(Reception(openapi=openapi).get("/openapi.json"))
    assert answer.content == document()
    assert answer.headers["content-type"] == "application/json"
