"""Browsers may call us only from pages whose origin the settings name."""

import pytest

from waypost.door.cors import Cors

PAGE = b"https://chat.example.com"
ASKS = {b"origin": PAGE, b"access-control-request-method": b"POST"}


def lines(block):
    assert not block or block.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in block.decode().splitlines())


def test_without_allowed_origins_nothing_is_said():
    cors = Cors()
    assert cors.block(PAGE) == b""
    assert cors.preflight(ASKS, "POST") == b""


def test_an_allowed_origin_may_read_our_headers_and_caches_keep_origins_apart():
    block = lines(Cors(["https://chat.example.com"]).block(PAGE))
    assert block["access-control-allow-origin"] == "https://chat.example.com"
    assert block["vary"] == "Origin"
    for name in ("x-request-id", "x-error-code", "x-inference-provider", "retry-after"):
        assert name in block["access-control-expose-headers"]


@pytest.mark.parametrize("origin", [None, b"", b"null", b"https://chat.example.com.evil", b"http://chat.example.com"])
def test_any_other_origin_is_not_allowed(origin):
    assert Cors(["https://chat.example.com"]).block(origin) == b""


def test_a_star_allows_every_origin_but_never_cookies():
    block = lines(Cors(["*"]).block(b"https://anyone.example"))
    assert block["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in block


def test_a_preflight_allows_what_the_page_asked_for_and_the_routes_methods():
    asked = {**ASKS, b"access-control-request-headers": b"authorization, x-stainless-lang"}
    block = lines(Cors(["https://chat.example.com"]).preflight(asked, "POST, OPTIONS"))
    assert block["access-control-allow-methods"] == "POST, OPTIONS"
    assert block["access-control-allow-headers"] == "authorization, x-stainless-lang"
    assert int(block["access-control-max-age"]) > 0


def test_a_preflight_without_named_headers_allows_the_usual_ones():
    block = lines(Cors(["*"]).preflight(ASKS, "POST"))
    assert "authorization" in block["access-control-allow-headers"]


def test_an_options_request_that_is_no_preflight_gets_no_such_headers():
    assert Cors(["*"]).preflight({b"origin": PAGE}, "POST") == b""
