"""Why: before a call, and after it."""

from __future__ import annotations

import json

import pytest
from commandline import Done
from played import played, reply

from waypost.cli.explanations import Wish, rows_of, show_waybill
from waypost.cli.screen import Screen

BILL = {
    "id": "req_1",
    "at": "2026-11-21T02:00:00.000Z",
    "caller": {"user": "anna", "token": "ci", "session_tag": None},
    "payer": {"type": "user", "name": "anna"},
    "model": "acme/one",
    "asked": "acme/one:cheapest",
    "policy": "cheapest",
    "stream": True,
    "outcome": "delivered",
    "status": 200,
    "code": None,
    "why": "",
    "fix": "",
    "plan": {
        "order": ["alpha", "beta", "gamma"],
        "why": {"alpha": "lowest price", "beta": "next", "gamma": "dear"},
        "excluded": [
            {"provider": "delta", "reason": "no_tools", "why": "It has none.", "until": None, "fix": "Leave them out."}
        ],
        "explored": False,
    },
    "attempts": [
        {
            "provider": "alpha",
            "endpoint_model": "one",
            "status": 503,
            "code": "provider_failed",
            "ms": 81.0,
            "upstream_request_id": None,
            "why": "over\x1b[2Jloaded",
        },
        {
            "provider": "beta",
            "endpoint_model": "one",
            "status": 200,
            "code": None,
            "ms": 500.0,
            "upstream_request_id": "x-9",
            "why": "",
        },
    ],
    "served_by": "beta",
    "usage": {"input": 1000, "cached_input": 0, "output": 50, "reasoning": 0, "estimated": True},
    "hold_nano_usd": 900_000,
    "charge_nano_usd": 412_000,
    "price_version": "p1",
    "timing": {"gateway_ms": 0.4, "first_word_ms": 180.0, "ms": 600.0, "output_tokens_per_s": 119.0},
}
REFUSED = BILL | {
    "outcome": "explained",
    "would_succeed": False,
    "refused_by": {"code": "model_not_supported", "status": 400, "message": "Nobody can.", "why": ""},
    "fix": "Use `acme/two`.",
    "attempts": [],
    "plan": BILL["plan"] | {"order": []},
}


def test_a_waybill_tells_the_whole_story(capsys) -> None:
    show_waybill(Screen("human"), BILL)
    told = capsys.readouterr().out
    assert told.splitlines()[0] == "acme/one:cheapest was served by beta on attempt 2."
    assert "\x1b" not in told
    assert [line.split()[:3] for line in told.splitlines()[3:7]] == [
        ["1", "alpha", "failed"],
        ["2", "beta", "served"],
        ["3", "gamma", "not"],
        ["-", "delta", "left"],
    ]
    assert "503 provider_failed after 81 ms: over[2Jloaded" in told
    assert "1,000 input, 50 output (estimated)" in told
    assert "$0.000412 at price p1" in told
    assert "beta: 200 in 500 ms, there x-9" in told
    assert "119 tokens/s" in told


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, "$0.000412 at price"),
        ({"overrun_nano_usd": 1_000}, "above the hold is the operator's"),
        ({"own_key": True}, "the payer's own key was used"),
    ],
)
def test_a_waybill_says_who_bore_the_cost(capsys, facts, told) -> None:
    show_waybill(Screen("human"), BILL | facts)
    assert told in capsys.readouterr().out


def test_programs_get_a_row_for_each_endpoint(capsys) -> None:
    show_waybill(Screen("tsv"), BILL)
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["rank", "provider", "verdict", "why", "until", "fix"]
    assert [row[:3] for row in rows[1:]] == [
        ["1", "alpha", "failed"],
        ["2", "beta", "served"],
        ["3", "gamma", "not needed"],
        ["", "delta", "left out"],
    ]
    assert rows[4][5] == "Leave them out."
    show_waybill(Screen("quiet"), BILL)
    assert capsys.readouterr().out == "beta\n"


def test_a_call_without_a_plan_has_a_story_too(capsys) -> None:
    bill = BILL | {"plan": None, "attempts": [], "served_by": None, "usage": None, "outcome": "refused", "status": 429}
    show_waybill(Screen("human"), bill | {"code": "rate_limited", "why": "60 of 60", "fix": "Wait."})
    told = capsys.readouterr()
    assert told.out.startswith("acme/one:cheapest refused with 429 rate_limited: 60 of 60\n")
    assert told.err == "hint: Wait.\n"
    assert rows_of(bill) == []


def test_a_call_that_would_be_refused_exits_with_1_and_says_why_in_every_format(alone) -> None:
    def explained(style: str) -> Done:
        with played(reply(REFUSED)) as server:
            return alone("explain", "acme/one", "--url", server.url, "--format", style)

    human = explained("human")
    assert human.out.startswith("acme/one:cheapest would be refused: Nobody can. (400 model_not_supported)")
    assert human.err == "hint: Use `acme/two`.\n"
    for style in ("tsv", "quiet"):
        done = explained(style)
        assert (done.code, done.err) == (1, "waypost: it would be refused: Nobody can.\nhint: Use `acme/two`.\n")
    done = explained("json")
    assert done.code == 1
    assert done.data["refused_by"]["code"] == "model_not_supported"


def test_what_would_happen_is_asked_of_the_server(cli) -> None:
    done = cli("explain", "practice/parrot:cheapest", "--tools", "--format", "human")
    assert done.code == 0
    assert done.out.startswith("practice/parrot:cheapest would be served by practice-flaky, for about $0.000")
    assert "left out     no_tools: " in done.out
    assert cli("explain", "practice/parrot:cheapest", "--format", "quiet").out == "practice-thrifty\n"
    assert cli("explain", "practice/nothing").code == 1


def test_a_past_request_is_explained_by_its_id(cli) -> None:
    number = cli("chat", "-m", "practice/clerk", "hi", "--format", "json").data["request_id"]
    for words in (["explain", number], ["requests", "show", number]):
        told = cli(*words, "--format", "json").data
        assert (told["id"], told["outcome"]) == (number, "delivered")
    missing = cli("explain", "req_0000000000000")
    assert missing.code == 2
    assert "There is no request" in missing.err


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--tools"], "tools"),
        (["--structured"], "response_format"),
        (["--max-tokens", "5"], "max_tokens"),
        (["--bill-to", "acme"], None),
        (["--image", "--prompt", "What is it?"], None),
    ],
)
def test_each_wish_is_part_of_the_call_that_is_explained(alone, options, field) -> None:
    with played(reply(BILL | {"outcome": "explained", "would_succeed": True})) as server:
        assert alone("explain", "acme/one", *options, "--url", server.url).code == 0
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    asked = json.loads(body)
    assert field is None or asked[field]
    assert (b"x-hf-bill-to: acme" in head.lower()) is ("--bill-to" in options)
    image = "--image" in options
    assert isinstance(asked["messages"][0]["content"], list) is image


def test_a_wish_for_nothing_special_is_a_plain_call() -> None:
    wish = Wish("Hello!", tools=False, structured=False, image=False, max_tokens=None, bill_to=None)
    assert wish.body("a/b") == {"model": "a/b", "messages": [{"role": "user", "content": "Hello!"}]}


@pytest.mark.parametrize("style", ["human", "tsv"])
def test_a_route_in_the_advice_becomes_a_command(cli, style) -> None:
    told = cli("explain", "zzz", "--format", style)
    assert told.code == 1
    assert told.err.splitlines()[-1] == "hint: Take an id from `python -m waypost models list`."
