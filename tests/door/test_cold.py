"""The gate in front of the cold routes: who calls, and what every problem becomes."""

import logging

import pytest
from reception import UNKNOWN, Reception

from waypost.domain.problems import Refusal
from waypost.door.cold import json_response
from waypost.door.routes import ROUTES, Auth, Whose


def test_a_route_that_asks_for_a_token_tells_missing_from_unknown(run):
    reception = Reception()
    missing = run(reception.get("/v1/requests"))
    unknown = run(reception.get("/v1/requests", UNKNOWN))
    assert (missing.status_code, missing.json()["error"]["code"]) == (401, "token_missing")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "token_unknown")


def test_a_bad_token_is_refused_even_where_none_is_needed(run):
    answer = run(Reception().get("/v1/models", UNKNOWN))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_unknown")


def test_a_token_without_the_routes_scope_is_refused(run):
    answer = run(Reception().get("/api/settings/tokens", "ines"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")
    assert answer.headers["x-error-message"].endswith("it lacks user.settings.")


def test_every_row_with_a_token_refuses_whoever_shows_none(run):
    reception = Reception()
    for row in ROUTES:
        if not row.hot and row.auth is Auth.TOKEN:
            path = row.template.replace("{id}", "1").replace("{model:path}", "a/b")
            assert run(reception.ask(row.method, path)).status_code == 401, row


def test_every_row_with_a_scope_refuses_a_token_that_lacks_it(run):
    reception = Reception()
    for row in ROUTES:
        if not row.hot and row.scope is not None and row.access.whose is not Whose.ORGANISATION:
            assert run(reception.ask(row.method, row.template.replace("{id}", "1"), "ines")).status_code == 403, row


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/alpha/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/models/", 404, "not_found"),
        ("PATCH", "/api/settings/tokens", 405, "method_not_allowed"),
    ],
)
def test_what_no_row_holds_is_refused_in_our_envelope(run, method, path, status, code):
    answer = run(Reception().ask(method, path))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]
    assert ("allow" in answer.headers) == (status == 405)


def test_a_bug_is_a_500_with_a_request_id_and_no_traceback(run, caplog):
    async def broken(ask):
        raise RuntimeError("the secret is hf_abcdefgh")

    reception = Reception(openapi=broken)
    with caplog.at_level(logging.ERROR, "waypost.door"):
        answer = run(reception.get("/openapi.json"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert error["request_id"] in caplog.text


def test_a_handlers_problem_becomes_its_reply(run):
    async def refusing(ask):
        raise Refusal("overloaded", "Too much.", retry_after_seconds=3)

    answer = run(Reception(openapi=refusing).get("/openapi.json"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


def test_every_answer_carries_a_request_id_of_its_own(run):
    reception = Reception()
    first, second = run(reception.get("/v1/models")), run(reception.get("/v1/models"))
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_a_handler_may_name_the_request_itself(run):
    async def named(ask):
        return json_response({}, headers={"x-request-id": "req_mine"})

    assert run(Reception(openapi=named).get("/openapi.json")).headers["x-request-id"] == "req_mine"


def test_the_hubs_clients_can_tell_a_bad_token_from_a_missing_model(run):
    reception = Reception()
    bad = run(reception.get("/api/models/acme/one", UNKNOWN))
    assert bad.headers["x-error-message"] == "Invalid credentials in Authorization header"
    assert bad.json()["message"] == "Nobody here has this token."
    none = run(reception.get("/api/whoami-v2"))
    assert none.headers["x-error-message"] == "This call needs a token, and none was sent."
    assert none.headers["www-authenticate"] == "Bearer"


def test_hugging_faces_clients_read_the_error_as_a_text_wherever_they_ask(run):
    theirs = {"user-agent": "@huggingface/inference/4.13.30 Node.js/22"}
    reception = Reception()
    for path in ("/v1/requests", "/nowhere"):
        assert isinstance(run(reception.get(path, headers=theirs)).json()["error"], str)
        assert isinstance(run(reception.get(path)).json()["error"], dict)


def test_the_huggingface_style_holds_for_cold_routes_too(run):
    reception = Reception(style="huggingface")
    assert run(reception.get("/v1/requests")).json() == {"error": "Invalid username or password."}
    assert run(reception.get("/nowhere")).text == "Not Found"


def test_pages_of_allowed_origins_may_read_answers_and_refusals(run):
    reception = Reception(origins=["https://chat.example.com"])
    for path in ("/v1/models", "/nowhere", "/v1/requests"):
        answer = run(reception.get(path, headers={"origin": "https://chat.example.com"}))
        assert answer.headers["access-control-allow-origin"] == "https://chat.example.com"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        other = run(reception.get(path, headers={"origin": "https://evil.example.com"}))
        assert not [name for name in other.headers if name.startswith("access-control")]


def test_a_line_break_in_a_path_changes_nothing_of_what_is_said_there(run) -> None:
    reply = run(Reception().get("/api/models/acme/o%0Ane"))
    assert reply.status_code == 404
    assert reply.json()["error"] == reply.json()["message"], "the Hub's clients want a text"
    assert reply.headers["x-error-code"] == "RepoNotFound"
