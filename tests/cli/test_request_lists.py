"""Past requests in lists, and new ones as they end."""

from __future__ import annotations

import time

import pytest
from commandline import running, terminal

HEADING = (
    "id\tat\tcaller\tmodel\tpolicy\tprovider\toutcome\tresult\tfirst_word_ms\tms\tinput_tokens\toutput_tokens\t"
    "output_tokens_per_s\tcharge_nano_usd"
)


@pytest.fixture
def made(cli) -> list[str]:
    """Three requests to two models, newest first."""
    models = ("practice/clerk:practice-swift", "practice/clerk:practice-thrifty", "meta/llama:practice-swift")
    return [cli("chat", "-m", model, "hi", "--format", "json").data["request_id"] for model in models][::-1]


def test_requests_are_listed_newest_first_and_found_by_filters(cli, made) -> None:
    def ids(*filters: object) -> list[str]:
        return cli("requests", "list", "--format", "quiet", "-n", 3, *filters).lines

    assert ids() == made
    assert ids("--model", "practice/clerk")[:2] == made[1:]
    assert ids("--provider", "practice-thrifty", "--model", "practice/clerk")[0] == made[1]
    assert ids("--since", "1h")[0] == made[0]
    assert ids("--until", "1h") == []
    assert ids("--since", "2026-01-01", "--outcome", "delivered", "--token-name", "command-line")[0] == made[0]
    assert ids("--code", "rate_limited") == []
    assert ids("--user", "nobody") == []


def test_a_list_has_every_column_for_programs_and_fits_for_people(cli, made) -> None:
    rows = cli("requests", "list", "-n", 2).lines
    assert rows[0] == HEADING
    assert rows[1].split("\t")[0::3][:3] == [made[0], "meta/llama", "delivered"]
    human = cli("requests", "list", "-n", 1, "--format", "human")
    assert human.lines[0].startswith("ID ")
    assert human.err == f"hint: python -m waypost explain {made[0]}\n"
    assert cli("requests", "list", "-n", 1, "--format", "json").data[0]["id"] == made[0]


def test_more_than_a_page_is_read_from_several(cli, made, monkeypatch) -> None:
    monkeypatch.setattr("waypost.cli.request_lists.PAGE", 1)
    monkeypatch.setattr("waypost.cli.request_lists._pages.__defaults__", (1,))
    assert cli("requests", "list", "-n", 3, "--format", "quiet").lines == made


def test_unknown_callers_are_listed_apart(cli) -> None:
    assert cli("chat", "-m", "a/b", "hi", "--token", "wp_nobody").code == 5
    deadline = time.monotonic() + 5
    while len(rows := cli("requests", "list", "--strangers").lines) < 2:  # they are written without anybody waiting
        assert time.monotonic() < deadline, rows
    assert rows[0] == "id\tat\tstatus\tcode\tlooked_like\tasked"
    assert "\t401\ttoken_malformed\t" in rows[1]


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_time_that_is_none_is_a_usage_error(alone, option) -> None:
    done = alone("requests", "list", option, "yesterday", "--url", "http://127.0.0.1:1")
    assert done.code == 2
    assert f"{option} 'yesterday' is no time." in done.err


def test_new_requests_are_shown_as_they_end(served, cli) -> None:
    words = ("requests", "tail", "-n", 2, "--data", served.data, "--model", "practice/clerk")
    with running(*words) as process:
        assert process.stdout.readline().strip() == HEADING
        wanted = [cli("chat", "-m", "practice/clerk", "hi", "--format", "json").data["request_id"] for _ in range(2)]
        cli("chat", "-m", "meta/llama", "hi")
        shown = [line.split("\t")[0] for line in process.stdout]
        assert process.wait(30) == 0
    assert shown == wanted


def test_on_a_terminal_lines_stand_under_each_other(served, cli) -> None:
    with terminal("requests", "tail", "-n", "2", WAYPOST_DATA=str(served.data), NO_COLOR="1", COLUMNS="160") as screen:
        screen.wait_for("Ctrl-C leaves.")
        cli("chat", "-m", "practice/clerk", "hi")
        cli("chat", "-m", "openai/gpt-oss-120b:together", "hi")
        assert screen.end() == 0
    heading, *rows = [line for line in screen.shown.splitlines() if line.startswith(("ID ", "req_"))]
    assert len(rows) == 2
    assert {row.index("delivered") for row in rows} == {heading.index("OUTCOME")}
