"""One answer: what is shown where, in each format."""

from __future__ import annotations

import json

import pytest
from commandline import waypost
from played import played, reply, streamed

from waypost.cli.talk import as_json, summary
from waypost.cli.talk_stream import Answer

WORDS = {"choices": [{"delta": {"content": "a\x1b[31mb"}}]}
END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "cost_nano_usd": 35_200}}
MODEL = ["-m", "acme/one"]


def test_words_go_to_stdout_and_what_they_cost_to_stderr(shell) -> None:
    done = shell("chat", "-m", "practice/parrot:cheapest", "Reply", "with", "exactly:", "all is well")
    assert (done.code, done.out) == (0, "all is well\n")
    provider, first, speed, tokens, cost, number = done.err.strip().split(" · ")
    assert provider == "practice-thrifty"
    assert first.startswith("first word ")
    assert speed.endswith(" tokens/s")
    assert tokens.endswith(" tokens")
    assert cost.startswith("$0.0000")
    assert number.startswith("req_")


def test_a_prompt_is_read_from_a_pipe_and_words_beforehand_are_said(shell, cli) -> None:
    done = shell("chat", "-m", "practice/parrot", "-s", "Be brief.", "--no-stream", stdin="what is 2+2?\n")
    assert (done.code, done.out) == (0, "2 + 2 = 4\n")
    assert "tokens/s" not in done.err, "an answer in one piece has no speed"
    number = done.err.strip().rpartition(" · ")[2]
    assert cli("requests", "show", number, "--format", "json").data["stream"] is False


def test_a_model_that_can_be_called_is_taken_where_none_is_named(cli) -> None:
    done = cli("chat", "hi", "--format", "json")
    assert done.data["model"] == "practice/parrot"
    assert done.data["text"].startswith("Hello!")
    assert done.data["usage"]["completion_tokens"] > 0
    assert done.data["cost_nano_usd"] > 0
    assert done.data["first_word_ms"] < done.data["ms"]
    assert done.err == ""


def test_quiet_is_the_answer_alone(cli) -> None:
    assert cli("chat", "-m", "practice/parrot", "what is 3*4", "--format", "quiet") == (0, "3 * 4 = 12\n", "")


def test_what_a_model_writes_is_not_obeyed_by_the_terminal_unless_raw(alone) -> None:
    with played(streamed(WORDS, END, USAGE, lines=["x-request-id: req_\x1b[2J1"])) as server:
        done = alone("chat", *MODEL, "hi", "--url", server.url)
        assert done.out == "a[31mb\n"
        assert "\x1b" not in done.err
        raw = alone("chat", *MODEL, "hi", "--url", server.url, "--raw")
    assert (raw.out, raw.err) == ("a\x1b[31mb", "")


def test_what_is_asked_is_what_was_said(alone) -> None:
    with played(streamed(WORDS, END)) as server:
        alone("chat", *MODEL, "-s", "Be brief.", "hi", "there", "--url", server.url)
    body = json.loads(server.asked[0].partition(b"\r\n\r\n")[2])
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi there"}]
    assert body["stream_options"] == {"include_usage": True}


def test_thoughts_are_no_data(alone) -> None:
    thought = {"choices": [{"delta": {"reasoning_content": "Let me see."}}]}
    with played(streamed(thought, WORDS, END)) as server:
        done = alone("chat", *MODEL, "hi", "--url", server.url, "--format", "human")
        assert done.out == "a[31mb\n"
        assert done.err.startswith("Let me see.\n\n")
        assert "Let me see" not in alone("chat", *MODEL, "hi", "--url", server.url, "--raw").err


def test_calls_of_tools_are_shown_as_json(alone) -> None:
    call = {"index": 0, "function": {"name": "look_up", "arguments": "{}"}}
    with played(streamed({"choices": [{"delta": {"tool_calls": [call]}}]}, END)) as server:
        done = alone("chat", *MODEL, "hi", "--url", server.url)
    assert json.loads(done.out) == call


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (streamed(WORDS, done=False), "it ended before it was whole"),
        (streamed(WORDS, {"error": {"message": "The model failed.", "code": "upstream_error"}}), "The model failed."),
        (streamed(WORDS, [1]), "an event of it is no object"),
    ],
)
def test_a_broken_answer_is_shown_as_far_as_it_came_and_fails(alone, answer, said) -> None:
    with played(answer) as server:
        done = alone("chat", *MODEL, "hi", "--url", server.url)
    assert done.code == 7
    assert done.out == "a[31mb\n", "the line is ended"
    assert said in done.err


@pytest.mark.parametrize("prompt", [[], [""], ["  "]])
def test_nothing_to_ask_is_a_usage_error(prompt, tmp_path) -> None:
    done = waypost("chat", *prompt, stdin="\n", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("waypost: There is nothing to ask.")


def test_where_no_model_can_be_called_the_doctor_is_named(alone) -> None:
    row = {"provider": "x", "status": "live", "callable": False}
    with played(reply({"data": [{"id": "a/b", "providers": [row]}]})) as server:
        done = alone("chat", "hi", "--url", server.url)
    assert done.code == 1
    assert "doctor" in done.err


def test_the_summary_leaves_out_what_is_not_known() -> None:
    answer = Answer()
    answer.ms = 50
    assert summary(answer) == "50 ms"
    answer.stopped, answer.finish_reason = True, "length"
    answer.counted({"prompt_tokens": 1, "completion_tokens": 2})
    assert summary(answer) == "stopped · 50 ms · 1 + 2 tokens · cut at its length"
    assert as_json(answer, "a/b")["cost_nano_usd"] is None
