"""Streams, as transcripts: what the provider sends, and what the caller gets."""

import asyncio
import json
import random

import pytest

from waypost.domain.chat import Usage
from waypost.domain.endpoints import Deadlines
from waypost.providers.flow import EndKind
from waypost.providers.replies import Verdict
from waypost.providers.stream import StreamFlow
from waypost.providers.watch import Watch
from waypost.wire.dialects import read_chat

ROLE = (
    b'data: {"id":"c1","created":5,"model":"one-at-alpha",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
)
DONE = b"data: [DONE]\n\n"


def word(text: str, **more: object) -> bytes:
    chunk = {
        "id": "c1",
        "created": 5,
        "model": "one-at-alpha",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
        **more,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def finish(reason: str = "stop", index: int = 0) -> bytes:
    chunk = {"id": "c1", "model": "one-at-alpha", "choices": [{"index": index, "delta": {}, "finish_reason": reason}]}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def usage(**counts: object) -> bytes:
    counts = counts or {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    return (
        b"data: " + json.dumps({"id": "c1", "model": "one-at-alpha", "choices": [], "usage": counts}).encode() + b"\n\n"
    )


def renamed(stream: bytes) -> bytes:
    return stream.replace(b'"model":"one-at-alpha"', b'"model":"acme/one"')


def play(scripted, pieces, stop="eof", *, wants_usage=False, deadlines=None, during=None, n=1, **played):
    """Run one flow; gives (verdict, end, what the caller got, flow, exchange). `played` is more of the script."""

    async def run():
        options = {"stream_options": {"include_usage": True}} if wants_usage else {}
        body = {"model": "acme/one", "messages": [{"role": "user", "content": "x"}], "stream": True, "n": n, **options}
        ask = read_chat(json.dumps(body).encode())
        loop = asyncio.get_running_loop()
        flow = StreamFlow(scripted.candidate(), ask, deadlines or Deadlines(), loop.time(), Watch(0.005))
        client = scripted.client(scripted.script(pieces=tuple(pieces), stop=stop, **played))
        flow.exchange = client.send(None, b"", b"", flow, 5.0)
        caller = scripted.caller()
        verdict = await flow.answers
        if verdict is not None:
            return verdict, None, b"", flow, client.exchanges[0]
        if during is not None:
            loop.call_soon(during, flow)
        end = await flow.pour(caller)
        return None, end, caller.got, flow, client.exchanges[0]

    return asyncio.run(run())


def test_frames_pass_untouched_but_for_the_models_name(scripted) -> None:
    frames = [ROLE, word("a"), word("b"), finish()]
    _, end, got, flow, _ = play(scripted, [*frames, DONE])
    assert got == renamed(b"".join(frames))
    assert end.kind is EndKind.DONE
    assert end.tail == DONE
    assert flow.attempt.first_word_ms is not None


def test_the_usage_frame_is_learnt_and_dropped_when_nobody_asked(scripted) -> None:
    _, end, got, flow, _ = play(scripted, [word("a"), finish(), usage(), DONE])
    assert b"usage" not in got
    assert end.usage == Usage(9, 0, 2, 0)
    assert flow.closing(end.usage, 5) == b""


def test_the_usage_frame_stands_in_the_tail_with_the_cost_when_it_was_asked_for(scripted) -> None:
    _, end, got, flow, _ = play(scripted, [word("a"), finish(), usage(), DONE], wants_usage=True)
    assert b"usage" not in got
    shown = json.loads(flow.closing(end.usage, 77)[6:])
    assert shown["usage"] == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "cost_nano_usd": 77}
    assert shown["choices"] == []
    assert shown["model"] == "acme/one"


def test_a_caller_who_asked_for_usage_gets_ours_where_the_provider_gave_none(scripted) -> None:
    _, end, _, flow, _ = play(scripted, [word("a"), finish(), DONE], wants_usage=True)
    assert end.usage is None
    shown = json.loads(flow.closing(Usage(3, 0, 1, 0, estimated=True), 1)[6:])
    assert shown["usage"]["estimated"] is True
    assert shown["id"] == "c1"


def test_usage_in_every_frame_is_never_added_up(scripted) -> None:
    frames = [word("a", usage={"prompt_tokens": 9, "completion_tokens": n}) for n in (1, 2, 3)]
    _, end, got, _, _ = play(scripted, [*frames, finish(), DONE])
    assert end.usage == Usage(9, 0, 3, 0)
    assert got.count(b"data:") == 4


def test_a_role_alone_is_not_a_word(scripted) -> None:
    verdict, *_ = play(scripted, [ROLE, DONE])
    assert verdict.code == "provider_failed"
    assert "first word" in verdict.why


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"reasoning": "x"},
        {"reasoning_content": "x"},
        {"refusal": "x"},
        {"tool_calls": [{"index": 0}]},
    ],
)
def test_each_kind_of_word_is_one(scripted, delta: dict) -> None:
    frame = b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
    verdict, *_ = play(scripted, [frame, finish(), DONE])
    assert verdict is None


def test_a_finish_reason_alone_is_a_word(scripted) -> None:
    verdict, end, *_ = play(scripted, [ROLE, finish("content_filter"), DONE])
    assert verdict is None
    assert end.kind is EndKind.DONE


@pytest.mark.parametrize("first", [b'data: {"error":{"code":429,"message":"slow"}}\n\n', b'data: {"error":"boom"}\n\n'])
def test_an_error_as_the_first_event_lets_the_next_one_try(scripted, first: bytes) -> None:
    verdict, *_, exchange = play(scripted, [first], stop="hang")
    assert verdict.try_next
    assert exchange.cancelled


def test_an_error_after_words_breaks_the_answer_and_closes_the_upstream(scripted) -> None:
    _, end, got, _, exchange = play(scripted, [word("a"), b'data: {"error":{"message":"boom"}}\n\n'], stop="hang")
    assert got == renamed(word("a"))
    assert (end.kind, end.code) == (EndKind.BROKEN, "upstream_error")
    assert exchange.cancelled


def test_an_end_without_done_is_fine_after_a_finish_reason_and_done_is_added(scripted) -> None:
    _, end, _, _, _ = play(scripted, [word("a"), finish()])
    assert (end.kind, end.tail) == (EndKind.DONE, DONE)


@pytest.mark.parametrize("stop", ["eof", "lost"])
def test_an_end_in_mid_answer_is_told_as_one(scripted, stop: str) -> None:
    _, end, got, _, _ = play(scripted, [word("a"), word("b")[:20]], stop=stop)
    assert got == renamed(word("a"))
    assert (end.kind, end.code) == (EndKind.BROKEN, "upstream_incomplete")


def test_a_reset_after_the_finish_reason_loses_nothing(scripted) -> None:
    _, end, _, _, _ = play(scripted, [word("a"), finish()], stop="lost")
    assert end.kind is EndKind.DONE


def test_nothing_after_done_is_handed_on(scripted) -> None:
    _, end, got, _, _ = play(scripted, [word("a") + finish() + DONE + word("late"), word("later")], stop="hang")
    assert b"late" not in got
    assert end.kind is EndKind.DONE


def test_of_two_finish_reasons_the_first_stands(scripted) -> None:
    _, _, got, _, _ = play(scripted, [word("a"), finish("stop"), finish("length"), DONE])
    assert b'"stop"' in got
    assert b'"length"' not in got


def test_each_choice_has_a_finish_reason_of_its_own(scripted) -> None:
    _, _, got, _, _ = play(scripted, [word("a"), finish("stop", 0), finish("length", 1), DONE])
    assert b'"stop"' in got
    assert b'"length"' in got


@pytest.mark.parametrize("garbage", [b"data: {oops}\n\n", b'data: {"choices":"\xff"}\n\n', b"data: 7\n\n"])
def test_what_cannot_be_read_is_an_error_event_and_not_passed(scripted, garbage: bytes) -> None:
    _, end, got, _, _ = play(scripted, [word("a"), garbage, word("b")], stop="hang")
    assert got == renamed(word("a"))
    assert (end.kind, end.code) == (EndKind.BROKEN, "upstream_error")
    verdict, *_ = play(scripted, [garbage], stop="hang")
    assert verdict.try_next


def test_comments_pass_and_are_no_words(scripted) -> None:
    _, _, got, _, _ = play(scripted, [b": ping\n\n", word("a"), b": ping\n\n", finish(), DONE])
    assert got.count(b": ping\n\n") == 2


def test_crlf_bom_and_a_missing_space_are_kept_as_they_came(scripted) -> None:
    frames = [b"\xef\xbb\xbf" + word("a").replace(b"\n", b"\r\n"), word("b").replace(b"data: ", b"data:"), finish()]
    _, _, got, _, _ = play(scripted, [*frames, DONE])
    assert got == renamed(b"".join(frames))


def test_an_answer_in_one_piece_where_a_stream_was_asked_for_is_no_answer(scripted) -> None:
    body = b'{"id":"x","choices":[{"message":{"content":"hi"}}]}'
    verdict, *_ = play(scripted, [body], kind=b"application/json")
    assert verdict.try_next
    verdict, *_ = play(scripted, [b'{"error":{"code":429,"message":"x"}}'], kind=b"application/json")
    assert verdict.blame == "rest"


def test_no_first_word_in_time_is_a_timeout(scripted) -> None:
    quick = Deadlines(first_word_seconds_max=0.03)
    verdict, *_, exchange = play(scripted, [ROLE], stop="hang", deadlines=quick)
    assert isinstance(verdict, Verdict)
    assert verdict.code == "provider_timeout"
    assert exchange.cancelled


def test_silence_in_mid_answer_breaks_it(scripted) -> None:
    quick = Deadlines(silence_seconds_max=0.03)
    _, end, _, _, exchange = play(scripted, [word("a")], stop="hang", deadlines=quick)
    assert (end.kind, end.code) == (EndKind.BROKEN, "upstream_error")
    assert "silent" in end.why
    assert exchange.cancelled


def test_the_whole_call_has_an_end(scripted) -> None:
    quick = Deadlines(call_seconds_max=0.05)
    _, end, _, _, _ = play(scripted, [word("a")], stop="hang", deadlines=quick)
    assert "longer than" in end.why


def test_a_caller_who_leaves_closes_the_upstream(scripted) -> None:
    _, end, _, _, exchange = play(scripted, [word("a")], stop="hang", during=lambda flow: flow.leave())
    assert end.kind is EndKind.GONE
    assert exchange.cancelled


def test_a_slow_caller_pauses_the_upstream_and_is_not_called_silence(scripted) -> None:
    seen = []

    def slow(flow: StreamFlow) -> None:
        flow.on_full()
        seen.append(flow.exchange.paused)
        asyncio.get_running_loop().call_later(0.1, flow.on_room)
        asyncio.get_running_loop().call_later(0.11, lambda: seen.append(flow.exchange.paused))

    quick = Deadlines(silence_seconds_max=0.05)
    _, end, _, _, _ = play(scripted, [word("a")], stop="hang", deadlines=quick, during=slow)
    assert seen == [True, False]
    assert "silent" in end.why


def test_draining_ends_a_stream_with_its_own_code(scripted) -> None:
    _, end, _, _, _ = play(scripted, [word("a")], stop="hang", during=lambda flow: flow.cut())
    assert (end.kind, end.code) == (EndKind.BROKEN, "draining")


def generated_stream(rng: random.Random) -> list[bytes]:
    """A stream as some provider might send it: words in many alphabets, odd frames, tool calls, comments."""
    texts = ["a", "grüße", "你好", '"model":"one-at-alpha"', "\\n", "data: [DONE]", "🚂", "usage", '{"error":1}', ""]
    frames = [ROLE] * rng.randint(0, 1) + [word("start")]
    for _ in range(rng.randint(0, 12)):
        odd = rng.random()
        if odd < 0.1:
            frames.append(b": keep-alive\n\n")
        elif odd < 0.2:
            call = {"index": 0, "function": {"arguments": rng.choice(texts)}}
            frames.append(
                b"data: "
                + json.dumps(
                    {"model": "one-at-alpha", "choices": [{"delta": {"tool_calls": [call]}}]}, separators=(",", ":")
                ).encode()
                + b"\n\n"
            )
        elif odd < 0.25:
            frames.append(rng.choice([b"data: {}\n\n", b'data: {"choices":[]}\n\n', b'data: {"choices":[{}]}\n\n']))
        else:
            frames.append(word(rng.choice(texts), usage=None) if odd < 0.4 else word(rng.choice(texts)))
    if rng.random() < 0.2:
        frames = [f.replace(b"\n\n", b"\r\n\r\n") for f in frames]
    return [*frames, finish()]


def test_generated_streams_cut_at_every_boundary_arrive_byte_for_byte(scripted, full) -> None:
    rng = random.Random(20261121)
    for _ in range(1000 if full else 60):
        frames = generated_stream(rng)
        stream = b"".join(frames) + DONE
        expected = renamed(b"".join(frames))
        for cut in {rng.randrange(1, len(stream)) for _ in range(4)} if not full else range(1, len(stream), 7):
            _, end, got, _, _ = play(scripted, [stream[:cut], stream[cut:]])
            assert got == expected
            assert end.tail == DONE


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_last_event_without_its_blank_line_does_not_run_into_the_tail(scripted, end: bytes) -> None:
    _, ended, got, _, _ = play(scripted, [word("a"), finish().rstrip(b"\n") + end])
    assert ended.tail == DONE
    assert got == renamed(word("a") + finish())


def test_usage_beside_a_repeated_end_still_reaches_a_caller_who_asked_for_it(scripted) -> None:
    again = json.loads(finish().removeprefix(b"data: "))
    again["usage"] = {"prompt_tokens": 9, "completion_tokens": 2}
    frames = [word("a"), finish(), b"data: " + json.dumps(again).encode() + b"\n\n", DONE]
    _, end, got, flow, _ = play(scripted, frames, wants_usage=True)
    assert got.count(b'"stop"') == 1
    assert json.loads(flow.closing(end.usage, 3).removeprefix(b"data: "))["usage"]["prompt_tokens"] == 9


def test_words_that_come_with_a_repeated_end_are_words(scripted) -> None:
    """Some providers give a finish reason with every piece of the answer."""
    frames = [word(text).replace(b'"finish_reason":null', b'"finish_reason":"stop"') for text in "ab"]
    _, _, got, _, _ = play(scripted, [*frames, DONE])
    assert got == renamed(b"".join(frames))


@pytest.mark.parametrize(("ended", "kind"), [([0], EndKind.BROKEN), ([0, 1], EndKind.DONE)])
def test_an_answer_in_two_choices_is_complete_when_both_have_ended(scripted, ended: list[int], kind: EndKind) -> None:
    _, end, _, _, _ = play(scripted, [word("a"), *(finish("stop", index) for index in ended)], n=2)
    assert end.kind is kind


def test_a_refusal_that_breaks_off_or_never_ends_counts_by_its_status(scripted, monkeypatch) -> None:
    monkeypatch.setattr("waypost.providers.flow.ERROR_BODY_SECONDS_MAX", 0.02)
    for stop in ("lost", "hang"):
        for status, blame in ((429, "rest"), (401, "key"), (400, "none"), (503, "failure")):
            verdict, *_ = play(scripted, [b'{"error":'], stop=stop, status=status)
            assert (verdict.blame, verdict.status) == (blame, status)


def test_a_provider_that_repeats_our_key_in_an_error_does_not_make_it_known(scripted) -> None:
    """The key of `scripted` looks like no secret that we know by its form."""
    said = b'{"error":{"message":"no key-of-alpha here","param":"key-of-alpha"}}'
    for pieces, more in (
        ([said], {"status": 400}),
        ([said], {"kind": b"application/json"}),
        ([b"data: " + said + b"\n\n"], {}),
    ):
        verdict, *_ = play(scripted, pieces, **more)
        assert "no [secret] here" in verdict.why
        assert verdict.param in ("[secret]", None)
    _, end, *_ = play(scripted, [word("a"), b"data: " + said + b"\n\n"])
    assert "no [secret] here" in end.why
