"""Query strings and small bodies: each fault is named, nothing is guessed."""

import msgspec
import pytest
from starlette.requests import Request

from waypost.domain.problems import Refusal
from waypost.door.forms import Query, read_form, read_time_ms


def http(query="", body=b""):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []}
    return Request(scope, receive)


class Form(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    order: list[str] = []
    on: bool = False


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-20T08:00:00Z", 1_795_161_600_000),
        ("2026-11-20T08:00:00.250Z", 1_795_161_600_250),
        ("2026-11-20T09:00:00 01:00", 1_795_161_600_000),  # a plus sign that was not percent-encoded
        ("2026-11-20T08:00:00", 1_795_161_600_000),
        ("2026-11-20", 1_795_132_800_000),
        ("1795161600", 1_795_161_600_000),
        ("1795161600.25", 1_795_161_600_250),
        ("0", 0),
    ],
)
def test_times_are_iso_or_unix_seconds(text, ms):
    assert read_time_ms(text) == ms


@pytest.mark.parametrize("text", ["yesterday", "1e9", "-1", "1969-01-01", "9" * 30, "٣", "2026-13-01", "."])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Refusal) as caught:
        Query(http(f"since={text}"), ("since",)).time_ms("since")
    assert caught.value.param == "since"


def test_an_unknown_parameter_is_named_with_the_nearest_known_one():
    with pytest.raises(Refusal) as caught:
        Query(http("provder=alpha"), ("provider", "model"))
    assert caught.value.code == "invalid_request"
    assert 'did you mean "provider"' in caught.value.message
    assert Query(http("anything=1"), (), strict=False).text("anything") == "1"


def test_a_parameter_counts_once_and_an_empty_text_is_none():
    query = Query(http("a=2&b=&d=1&d=1"), ("a", "b", "d"))
    assert (query.text("a"), query.text("b"), query.text("c")) == ("2", None, None)
    with pytest.raises(Refusal, match="at most once"):
        query.text("d")
    assert Query(http("a=1,2&a=3,&b=4"), ("a", "b")).all("a", "b") == ["1", "2", "3", "4"]


@pytest.mark.parametrize("value", ["", "0", "201", "1.5", "+5", "1_0", "٣", "-1", "x" * 5000])
def test_a_whole_number_outside_its_range_is_refused(value):
    with pytest.raises(Refusal) as caught:
        Query(http(f"limit={value}"), ("limit",)).whole("limit", 1, 200, 50)
    assert caught.value.param == "limit"
    assert len(caught.value.why) < 200


def test_flags_are_true_or_false_and_nothing_else():
    assert Query(http("a=true&b=0"), ("a", "b")).flag("a") is True
    assert Query(http("a=true&b=0"), ("a", "b")).flag("b") is False
    assert Query(http(), ()).flag("a") is False
    with pytest.raises(Refusal):
        Query(http("a=maybe"), ("a",)).flag("a")


def test_a_body_becomes_its_struct(run):
    assert run(read_form(http(body=b'{"name":"x","on":true}'), Form)) == Form("x", [], True)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"name":1}', "name"),
        (b'{"name":"x","order":[1]}', "order"),
        (b'{"name":"x","ordre":[]}', "ordre"),
        (b'{"name":"x","on":"yes"}', "on"),
        (b"{}", "name"),
        (b"", None),
        (b"[]", None),
        (b"{", None),
        (b'{"name":"\xff"}', None),
        (b"[" * 100_000, None),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_that_is_wrong(run, body, param):
    with pytest.raises(Refusal) as caught:
        run(read_form(http(body=body), Form))
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)
