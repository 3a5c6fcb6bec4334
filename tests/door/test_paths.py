"""A path finds its row, and where it means none, what was meant is said."""

import pytest
from crossroads import provider

from waypost.domain.problems import Refusal
from waypost.door.paths import ChatPaths, allow_on, find

CHATS = ChatPaths(
    [
        provider("groq", native_paths=("/openai/v1/chat/completions",)),
        provider("hf-inference", native_paths=("/models/{id}/v1/chat/completions", "/v1/chat/completions")),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "name", "values"),
    [
        ("POST", "/v1/chat/completions", "chat", {}),
        ("GET", "/v1/models", "list_models", {}),
        ("HEAD", "/v1/models", "list_models", {}),
        ("GET", "/v1/models/acme/one", "get_model", {"model": "acme/one"}),
        ("GET", "/v1/models/acme%2Fone", "get_model", {"model": "acme/one"}),
        ("GET", "/api/models/acme/one/revision/main", "hub_model", {"model": "acme/one/revision/main"}),
        ("GET", "/v1/requests/req_1", "get_request", {"id": "req_1"}),
        ("DELETE", "/api/settings/tokens/7", "revoke_token", {"id": "7"}),
        ("POST", "/groq/v1/chat/completions", "chat_pinned", {}),
        ("POST", "/groq/openai/v1/chat/completions", "chat_pinned", {}),
        ("POST", "/hf-inference/models/acme/one/v1/chat/completions", "chat_pinned", {}),
        ("POST", "/hf-inference/models/acme%2Fone/v1/chat/completions", "chat_pinned", {}),
    ],
)
def test_a_request_finds_its_row(method, path, name, values):
    match = find(method, path, CHATS)
    assert (match.route.name, match.values) == (name, values)


@pytest.mark.parametrize(
    ("method", "path", "near"),
    [
        ("POST", "/chat/completions", "POST /v1/chat/completions"),
        ("POST", "/v1/v1/chat/completions", "POST /v1/chat/completions"),
        ("POST", "/v1/chat/completions/", "POST /v1/chat/completions"),
        ("POST", "/api/v1/chat/completions", "POST /v1/chat/completions"),
        ("POST", "/v1/chat/completion", "POST /v1/chat/completions"),
        ("POST", "/v1/completions", "POST /v1/chat/completions"),
        ("GET", "/models/acme/one", "GET /v1/models/acme/one"),
        ("GET", "/v1/model", "GET /v1/models"),
        ("GET", "/readyz", "GET /ready"),
        ("GET", "/health", "GET /ready"),
        ("GET", "/v1/healthz/", "GET /ready"),
        ("POST", "/grok/v1/chat/completions", "POST /groq/v1/chat/completions"),
        ("POST", "/groq/v1/openai/chat/completions", "POST /groq/openai/v1/chat/completions"),
        ("GET", "/complete-nonsense-that-is-near-nothing", None),
        ("GET", "/", None),
        ("GET", "/v1", None),
        ("GET", "/v1/nope", None),
        ("POST", "/v1/embeddings", None),
        ("POST", "/v1/responses", None),
        ("POST", "/v1/messages", None),
        ("GET", "/api/nope", None),
        ("GET", "/v1/nope/acme/one", None),
        ("POST", "/v1/models/", "GET /v1/models"),
        ("POST", "/completions", "POST /v1/chat/completions"),
        ("POST", "/v1/chats/completion", "POST /v1/chat/completions"),
        ("GET", "/v1/model/acme/one", "GET /v1/models/acme/one"),
        ("GET", "/v1/request/req_1", "GET /v1/requests/req_1"),
        ("PUT", "/api/settings/inference-provider", "PUT /api/settings/inference-providers"),
    ],
)
def test_an_unknown_path_names_the_nearest_route(method, path, near):
    with pytest.raises(Refusal) as caught:
        find(method, path, CHATS)
    assert caught.value.code == "not_found"
    assert caught.value.extra.get("nearest") == near


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("GET", "/groq/v1/chat/completions", "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/settings/inference-providers", "GET, PUT, HEAD, OPTIONS"),
        ("POST", "/live", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_every_right_one(method, path, allow):
    with pytest.raises(Refusal) as caught:
        find(method, path, CHATS)
    assert caught.value.code == "method_not_allowed"
    assert caught.value.headers == (("allow", allow),)
    assert allow_on(path, CHATS) == allow


@pytest.mark.parametrize("path", ["/v1/models\n", "/%0a", "//v1/models", "/v1/../v1/models", "/" + "x" * 8000, "*x"])
def test_odd_paths_are_refused_quickly_and_shown_safely(path):
    with pytest.raises(Refusal) as caught:
        find("GET", path, CHATS)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_each_provider_answers_on_the_plain_path_and_on_its_own():
    assert CHATS.exact["/v1/chat/completions"] is None
    assert CHATS.exact["/groq/v1/chat/completions"] == "groq"
    assert CHATS.exact["/groq/openai/v1/chat/completions"] == "groq"
    assert CHATS.with_id("/hf-inference/models/a/b/v1/chat/completions") == "hf-inference"
    assert CHATS.with_id("/hf-inference/models//v1/chat/completions") is None


def test_a_route_that_the_settings_leave_out_is_no_route():
    assert find("POST", "/api/webhooks/top-up", ChatPaths()).route.name == "top_up"
    for path in ("/api/webhooks/top-up", "/api/webhooks/topup"):
        with pytest.raises(Refusal) as caught:
            find("POST", path, ChatPaths((), {"top_up"}))
        assert (caught.value.code, "nearest" in caught.value.extra) == ("not_found", False)
