"""What each kind of value takes and refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from waypost.domain import kinds

GOOD = [
    (kinds.whole(0, 5), 5, 5),
    (kinds.number(0, 5), 5, 5.0),
    (kinds.FLAG, True, True),
    (kinds.one_of("a", "b"), "b", "b"),
    (kinds.list_of(kinds.LINE), ["a", "a", "b"], ("a", "b")),
    (kinds.ISO_DATE, date(2026, 6, 1), "2026-06-01"),
    (kinds.ISO_DATE, "2026-06-01", "2026-06-01"),
    (kinds.USD_PER_MILLION, "0.10", 100_000_000),
    (kinds.USD_PER_MILLION, 3, 3_000_000_000),
    (kinds.USD_PER_REQUEST, "0.001", 1_000_000_000_000),
    (kinds.BASE_URL, "https://a.example/v1/", "https://a.example/v1"),
    (kinds.BASE_URL, "http://[::1]:9/v1", "http://[::1]:9/v1"),
    (kinds.ORIGIN, "https://Chat.example", "https://chat.example"),
    (kinds.ORIGIN, "*", "*"),
    (kinds.PROXY_URL, "", ""),
    (kinds.PROXY_URL, "http://u:p@proxy:3128/", "http://u:p@proxy:3128"),
    (kinds.HEADERS, {"X-Team": "a b"}, (("x-team", "a b"),)),
    (kinds.MODEL, "acme/one-1.5_x", "acme/one-1.5_x"),
    (kinds.PROVIDER_SLUG, "zai-org", "zai-org"),
    (kinds.TOKEN_PREFIX, "hf_wp_", "hf_wp_"),
    (kinds.VARIABLE, "ALPHA_KEY", "ALPHA_KEY"),
]
BAD = [
    (kinds.whole(0, 5), [6, -1, True, 1.0, "3", None]),
    (kinds.number(0, 5), [6, True, "3", float("nan"), float("inf"), None]),
    (kinds.FLAG, [1, "true", None]),
    (kinds.one_of("a", "b"), ["c", "A", 1]),
    (kinds.list_of(kinds.LINE), ["a", [1], [""], {"a": 1}]),
    (kinds.LINE, ["", "a\nb", "\x00", 3]),
    (kinds.ISO_DATE, ["yesterday", "2026-13-01", datetime(2026, 6, 1, tzinfo=UTC), 5]),
    (kinds.USD_PER_MILLION, [-1, "1e9", "nan", True, "free", None, [1]]),
    (kinds.USD_PER_REQUEST, ["1.01", -1, "x", True]),
    (
        kinds.BASE_URL,
        (
            *("example.com", "ftp://a/", "https://", "https://u:p@a/", "https://a/?q", "https://a/#f", "https://a b/"),
            *("https://a:0/", "https://a:99999/", "https://ä/", 5),
        ),
    ),
    (kinds.ORIGIN, ["https://a/path", "a", "https://u@a", 1]),
    (kinds.PROXY_URL, ["https://a", "http://a/path", "a:3128", 1]),
    (
        kinds.HEADERS,
        (
            *({"authorization": "Bearer x"}, {"X-API-Key": "x"}, {"host": "a"}, {"a b": "c"}, {"a": "b\r\nc: d"}),
            *({"a": ""}, {"a": 1}, "a: b", {"": "a"}),
        ),
    ),
    (kinds.MODEL, ["one", "acme/one:fastest", "acme/../x", "acme/..", "a/b/c", "/one", "acme/", "a b/c", 1]),
    (kinds.PROVIDER_SLUG, ["Alpha", "-a", "a-", "a_b", "a/b", "", "a" * 41]),
    (kinds.TOKEN_PREFIX, ["wp", "WP_", "_", "wp-", "", 1]),
    (kinds.VARIABLE, ["sk-abc", "gsk_abc", "1A", "", "A B", None]),
]


@pytest.mark.parametrize(("kind", "value", "read"), GOOD)
def test_a_good_value_is_read_into_the_form_we_keep(kind, value, read) -> None:
    got = kind.read(value)
    assert got == read
    assert type(got) is type(read)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in BAD for value in values])
def test_a_bad_value_is_refused_with_one_of_two_errors(kind, value) -> None:
    with pytest.raises((ValueError, TypeError)):
        kind.read(value)


def test_every_kind_says_in_words_what_it_wants() -> None:
    for kind, _, _ in GOOD:
        assert kind.words
        assert not kind.words.endswith(".")
