"""What a provider's answer means before the first word."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waypost.providers.replies import Blame, judge_embedded, judge_error, judge_head, redact, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SSE = {b"content-type": b"text/event-stream; charset=utf-8"}
JSON = {b"content-type": b"application/json"}


@pytest.mark.parametrize(
    ("status", "code", "try_next", "blame"),
    [
        (400, "invalid_request", False, Blame.NONE),
        (404, "not_found", False, Blame.NONE),
        (413, "body_too_large", False, Blame.NONE),
        (422, "invalid_request", False, Blame.NONE),
        (401, "provider_refused_key", True, Blame.KEY),
        (403, "provider_refused_key", True, Blame.KEY),
        (402, "provider_failed", True, Blame.REST),
        (408, "provider_failed", True, Blame.FAILURE),
        (429, "providers_busy", True, Blame.REST),
        (500, "provider_failed", True, Blame.FAILURE),
        (503, "provider_failed", True, Blame.FAILURE),
        (529, "provider_failed", True, Blame.FAILURE),
        (301, "provider_failed", True, Blame.FAILURE),
        (302, "provider_failed", True, Blame.FAILURE),
    ],
)
def test_each_status_has_its_row(status: int, code: str, try_next: bool, blame: Blame) -> None:
    verdict = judge_error(status, JSON, b'{"error":{"message":"because"}}', NOW)
    assert (verdict.code, verdict.try_next, verdict.blame, verdict.status) == (code, try_next, blame, status)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "because"}}, "because"),
        ({"error": "because"}, "because"),
        ({"message": "because"}, "because"),
        ({"detail": "because"}, "because"),
        ({"object": "error", "message": "because", "code": 400}, "because"),
        ({"error": {"detail": "because"}}, "because"),
    ],
)
def test_a_providers_reason_is_found_in_every_shape(body: dict, words: str) -> None:
    assert judge_error(400, JSON, json.dumps(body).encode(), NOW).why == words


NAMES = st.sampled_from(["error", "message", "detail", "code", "param", "status", "type"]) | st.text()
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


@given(st.sampled_from([400, 429, 500]), st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
@example(400, b'{"error":{"code":["context_length_exceeded"]}}')
@example(400, b'{"error":{"message":"caf\xe9"}}')
def test_no_body_of_an_error_breaks_us(status: int, body: bytes) -> None:
    assert judge_error(status, JSON, body, NOW).status == status


@given(ANY_JSON)
@example({"code": {}, "status": 400})
def test_no_embedded_error_breaks_us(error) -> None:
    assert judge_embedded(error, 200).code


def test_an_error_in_another_encoding_is_an_error_without_words() -> None:
    verdict = judge_error(500, JSON, '{"error": {"message": "cass\u00e9"}}'.encode("latin-1"), NOW)
    assert verdict.why == "answered 500"


def test_html_is_never_echoed() -> None:
    assert "<" not in judge_error(502, {}, b"<html><h1>Bad gateway</h1>", NOW).why


def test_a_context_error_is_told_as_one() -> None:
    body = b'{"error":{"message":"too long","code":"context_length_exceeded","param":"messages"}}'
    verdict = judge_error(400, JSON, body, NOW)
    assert (verdict.code, verdict.param) == ("context_too_long", "messages")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"5", 5),
        (b" 5 ", 5),
        (b"0", 1),
        (b"0.2", 1),
        (b"1e9", 300),
        (b"Sat, 21 Nov 2026 12:00:30 GMT", 30),
        (b"Sat, 21 Nov 2026 11:00:00 GMT", None),
        (b"-3", None),
        (b"nan", None),
        (b"inf", None),
        (b"soon", None),
        (b"", None),
        (b"Sat, 99 Nov 2026 12:00:30 GMT", None),
        (None, None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date_and_nonsense_counts_as_absent(
    value: bytes | None, seconds: int | None
) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.binary(max_size=60))
def test_no_retry_after_breaks_us(value: bytes) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or 1 <= seconds <= 300


def test_a_head_must_have_the_content_type_that_was_asked_for() -> None:
    assert judge_head(200, SSE, stream=True) is None
    assert judge_head(200, JSON, stream=False) is None
    assert judge_head(200, {b"content-type": b"text/html"}, stream=True) is not None
    assert judge_head(200, {b"content-type": b"text/html"}, stream=False) is not None
    assert judge_head(200, {}, stream=False) is not None


def test_a_compressed_reply_is_refused() -> None:
    assert judge_head(200, {**SSE, b"content-encoding": b"gzip"}, stream=True) is not None
    assert judge_head(200, {**SSE, b"content-encoding": b"identity"}, stream=True) is None


def test_an_error_inside_a_200_counts_as_the_code_in_it() -> None:
    assert judge_embedded({"code": 429, "message": "slow down"}, 200).blame is Blame.REST
    assert judge_embedded({"code": "server_error", "message": "x"}, 200).blame is Blame.FAILURE
    assert judge_embedded("boom", 200).try_next


@pytest.mark.parametrize(
    "secret", ["sk-abcdefghijklmnop1234", "Bearer abc.def", "hf_abcdefghijklmnopqrst", "eyJhbGciOiJIUzI1NiJ9.e30.x"]
)
def test_what_looks_like_a_secret_never_leaves(secret: str) -> None:
    said = redact(f"Incorrect API key provided: {secret}. Find yours at …")
    assert secret not in said
    assert "[secret]" in said


def test_a_providers_words_are_one_short_line() -> None:
    said = redact("a\r\nb\x1b[31m" + "x" * 5000)
    assert len(said) <= 300
    assert said.isprintable()
