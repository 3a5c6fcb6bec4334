"""Words of the running server, for a shell that waits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from commandline import waypost
from played import played, reply

from waypost.cli.completing import models, models_and_policies, providers, requests

SECONDS_MAX = 0.2


@pytest.fixture
def params(served) -> dict:
    return {"data": served.data, "url": None, "token": None}


def test_models_and_providers_of_the_server_on_the_folder_are_offered(params) -> None:
    began = time.monotonic()
    assert "practice/parrot" in models(params, "")
    assert "practice-swift" in providers(params, "")
    assert time.monotonic() - began < 2 * SECONDS_MAX


def test_after_a_colon_policies_and_providers_are_offered(params) -> None:
    assert "practice/parrot" in models_and_policies(params, "prac")
    assert models_and_policies(params, "openai/gpt-oss-120b:") == [
        f"openai/gpt-oss-120b:{tag}"
        for tag in ("fastest", "cheapest", "preferred", "practice-swift", "practice-thrifty", "together")
    ]


def test_the_latest_requests_are_offered_to_whoever_may_see_them(cli, params) -> None:
    number = cli("chat", "hi", "--format", "json").data["request_id"]
    assert requests(params, "req_")[0] == number


def test_an_address_that_was_named_is_asked_without_our_token(params) -> None:
    with played(reply({"data": [{"id": "a/b", "providers": []}]})) as server:
        assert models(params | {"url": server.url}, "") == ["a/b"]
        assert b"authorization" not in server.asked[0].lower()


def test_a_shell_gets_models_of_the_running_server(served) -> None:
    words = f"waypost chat --data {served.data} -m practice/pa"
    done = waypost(_WAYPOST_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="5")
    assert {line.partition(",")[2] for line in done.lines} == {"practice/parrot", "practice/painter"}


def test_where_no_server_runs_nothing_is_offered_and_nothing_said(tmp_path: Path) -> None:
    words = f"waypost chat --data {tmp_path} -m practice/pa"
    done = waypost(_WAYPOST_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="5")
    assert (done.out.strip(), done.err) == ("", "")
