"""Problems become replies that every client can read."""

import json

import pytest

from waypost.domain.problems import CODES, Failed, Refusal
from waypost.door.problems import HUGGING_FACE, Reader, header_text, problem_writer

OWN = problem_writer("waypost")
THEIRS = problem_writer("huggingface")


def headers(block):
    assert block.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in block.decode("ascii").removesuffix("\r\n").split("\r\n"))


def test_the_envelope_carries_every_field_twice_where_clients_look():
    problem = Refusal(
        "rate_limited", "Too many.", why="61 of 60", fix="Wait.", retry_after_seconds=7, extra={"limit": 60},
        headers=(("RateLimit", '"requests";r=0;t=7'),),
    )  # fmt: skip
    status, block, body = OWN.whole(problem, "req_1")
    assert status == 429
    assert json.loads(body) == {
        "error": {
            "message": "Too many.", "type": "rate_limit_error", "param": None, "code": "rate_limited",
            "why": "61 of 60", "fix": "Wait.", "request_id": "req_1", "limit": 60,
        },
        "message": "Too many.",
    }  # fmt: skip
    assert headers(block) == {
        "content-type": "application/json",
        "x-request-id": "req_1",
        "x-error-code": "rate_limited",
        "x-error-message": "Too many.",
        "retry-after": "7",
        "ratelimit": '"requests";r=0;t=7',
    }


AGENTS = {
    b"": False,
    b"curl/8.5.0": False,
    b"OpenAI/Python 2.0.0": False,
    b"@huggingface/inference/4.13.30 Node.js/22": True,
    b"unknown/None; hf_hub/2.4.0; python/3.11.7": True,
    b"not_hf_hub/2.4.0": False,
}


@pytest.mark.parametrize(("agent", "text"), AGENTS.items())
def test_clients_that_show_only_a_text_as_the_error_get_one_and_all_the_rest_beside_it(agent, text):
    problem = Refusal("model_not_found", "No such model.", why="w", fix="f", param="model", extra={"nearest": ["a/b"]})
    fields = {
        "message": "No such model.", "type": "invalid_request_error", "param": "model", "code": "model_not_found",
        "why": "w", "fix": "f", "request_id": "req_1", "nearest": ["a/b"],
    }  # fmt: skip
    _, _, body = OWN.whole(problem, "req_1", Reader(agent))
    said = {**fields, "error": "No such model."} if text else {"error": fields, "message": "No such model."}
    assert json.loads(body) == said


def test_on_the_hubs_routes_every_error_is_a_text():
    problem = Refusal("not_found", "Repository not found")
    assert json.loads(OWN.whole(problem, "req_1", Reader(hub=True))[2])["error"] == "Repository not found"
    assert json.loads(THEIRS.whole(problem, "req_1", Reader(hub=True))[2]) == {"error": "Repository not found"}
    unknown = Refusal("token_unknown", "Nobody has it.")
    assert json.loads(THEIRS.whole(unknown, "req_1", Reader(hub=True))[2])["error"].startswith("Invalid credentials")


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("writer", [OWN, THEIRS], ids=["waypost", "huggingface"])
def test_every_code_can_be_written_whole_and_as_an_event(writer, code):
    problem = Refusal(code, "words")
    status, block, body = writer.whole(problem, "req_1")
    assert 400 <= status < 600
    assert headers(block)["x-error-code"] == code
    assert body
    event = writer.event(problem, "req_1")
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2
    assert json.loads(event[6:])["error"]["code"] == code


def test_evidence_never_replaces_a_field_of_the_envelope():
    _, _, body = OWN.whole(Refusal("not_found", "words", extra={"code": "liar", "nearest": "/v1"}), "req_1")
    assert json.loads(body)["error"]["code"] == "not_found"
    assert json.loads(body)["error"]["nearest"] == "/v1"


def test_a_status_of_the_problems_own_wins():
    assert OWN.whole(Failed("invalid_request", "no", status=422), "req_1")[0] == 422


def test_a_header_of_the_problems_own_wins_whatever_its_case():
    _, block, _ = OWN.whole(Refusal("not_found", "no", headers=(("X-Error-Code", "RepoNotFound"),)), "req_1")
    assert headers(block)["x-error-code"] == "RepoNotFound"
    assert block.count(b"rror-") == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\r\nlines: \tx", "two lines: x"),
        ("a\x00b\x1b[31m", "a?b?[31m"),
        ("\u201cquoted\u201d \u2013 it\u2019s\u2026", '"quoted" - it\'s...'),
        ("schön 模型", "sch?n ??"),
        ("x" * 600, "x" * 509 + "..."),
    ],
)
def test_a_header_is_one_plain_line_of_at_most_512_bytes(text, shown):
    assert header_text(text) == shown


def test_no_text_of_a_caller_can_add_a_header():
    problem = Refusal("model_not_found", "x\r\nset-cookie: a=b", headers=(("x-a\r\nx-b", "c\nd: e"),))
    for writer in (OWN, THEIRS):
        _, block, _ = writer.whole(problem, "req_1")
        assert set(headers(block)) == {"content-type", "x-request-id", "x-error-code", "x-error-message", "x-a x-b"}


@pytest.mark.parametrize(
    ("problem", "status", "body"),
    [
        (Refusal("token_missing", "m"), 401, {"error": "Invalid username or password."}),
        (Refusal("token_revoked", "m"), 401, {"error": "Invalid credentials in Authorization header"}),
        (
            Refusal("scope_missing", "m", extra={"entity": {"type": "user", "name": "anna"}}),
            403,
            {
                "error": "This authentication method does not have sufficient permissions to call Inference "
                "Providers on behalf of user anna"
            },
        ),
        (
            Refusal("model_not_found", "m", param="model", extra={"model": "acme/x"}),
            400,
            {
                "error": {
                    "message": "The requested model 'acme/x' does not exist.",
                    "type": "invalid_request_error", "param": "model", "code": "model_not_found",
                }
            },
        ),
        (
            Refusal("model_not_supported", "m", param="model", extra={"model": "acme/x"}),
            400,
            {
                "error": {
                    "message": "The requested model 'acme/x' is not supported by any provider you have enabled.",
                    "type": "invalid_request_error", "param": "model", "code": "model_not_supported",
                }
            },
        ),
        (
            Refusal("model_not_supported", "m", extra={"model": "acme/x", "pinned": "hf-inference"}),
            400,
            {"error": "Model not supported by provider hf-inference"},
        ),
        (Refusal("spending_limit_reached", "m"), 403, {"error": "m"}),
        (Failed("internal_error", "m"), 500, {"error": "Internal Server Error"}),
    ],
    ids=lambda value: getattr(value, "code", None),
)  # fmt: skip
def test_the_other_style_has_hugging_faces_words_and_shapes(problem, status, body):
    got_status, block, got = THEIRS.whole(problem, "req_1")
    assert (got_status, json.loads(got)) == (status, body)
    text = body["error"] if isinstance(body["error"], str) else body["error"]["message"]
    assert headers(block)["x-error-message"] == text
    assert headers(block)["x-request-id"] == "req_1"


def test_an_unknown_path_is_plain_text_there():
    status, block, body = THEIRS.whole(Refusal("not_found", "m"), "req_1")
    assert (status, body) == (404, b"Not Found")
    assert headers(block)["content-type"].startswith("text/plain")


def test_words_of_theirs_that_lack_their_evidence_give_way_to_ours():
    _, _, body = THEIRS.whole(Refusal("model_not_found", "There is no acme/x.", extra={}), "req_1")
    assert json.loads(body)["error"]["message"] == "There is no acme/x."


def test_every_row_of_theirs_is_a_code_of_ours():
    assert HUGGING_FACE.keys() <= CODES.keys()
