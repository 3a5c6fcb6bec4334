"""Every fault of the table, seen on the wire."""

import gzip
import json
import zlib
from email.utils import parsedate_to_datetime

import pytest
from practiceclient import INSTANT, Wire, ask, fetch, line_to, listen_to, practice, request

from waypost.domain.problems import Refusal
from waypost.practice.faults import FAULTS, Wanted, perform, read
from waypost.practice.script import SSE, Script

STREAM = ask(stream=True, stream_options={"include_usage": True})
WORDS = "1, 2, 3, 4, 5, 6, 7, 8, 9"
CHECKS = {}


def seen(name, *, fault=None, body=STREAM, **options):
    """Register a check of one fault; it gets the wire of a call that asked for it."""

    def register(check):
        CHECKS[f"{fault or name}{'' if body.get('stream') else ' whole'}"] = (name, fault or name, body, options, check)
        return check

    return register


WHOLE = ask()


def is_error(wire: Wire, status: int):
    assert wire.status == status
    assert wire.headers["content-type"] == "application/json"
    assert wire.json["error"]["message"]


for name, status in [
    ("status_500", 500),
    ("status_503", 503),
    ("status_408", 408),
    ("refuses_key", 401),
    ("bad_request_400", 400),
    ("not_found_404", 404),
    ("too_large_413", 413),
    ("unprocessable_422", 422),
    ("early_413", 413),
]:
    seen(name)(lambda wire, status=status: is_error(wire, status))
seen("status", fault="status=529")(lambda wire: is_error(wire, 529))
seen("refuses_key", fault="refuses_key=403", body=WHOLE)(lambda wire: is_error(wire, 403))


@seen("context_too_long")
def _(wire):
    assert (wire.status, wire.json["error"]["code"]) == (400, "context_length_exceeded")


@seen("rate_limited")
def _(wire):
    is_error(wire, 429)
    assert wire.headers["retry-after"] == "30"


@seen("rate_limited", fault="rate_limited=date:90")
def _(wire):
    assert parsedate_to_datetime(wire.headers["retry-after"]).timestamp() == 1_800_000_090


@seen("rate_limited", fault="rate_limited=next tuesday")
def _(wire):
    assert wire.headers["retry-after"] == "next tuesday"


@seen("rate_limited", fault="rate_limited=none")
def _(wire):
    assert "retry-after" not in wire.headers


@seen("error_in_200")
def _(wire):
    assert (wire.status, wire.json["error"]["code"]) == (200, "practice_500")


@seen("wrong_content_type")
def _(wire):
    assert (wire.status, wire.headers["content-type"]) == (200, "text/html")
    assert wire.body.startswith(b"<!doctype html>")


@seen("redirect")
def _(wire):
    assert (wire.status, wire.headers["location"]) == (302, "/practice/redirected")


@seen("empty_200")
def _(wire):
    assert (wire.status, wire.body, wire.headers["content-length"]) == (200, b"", "0")


@seen("no_content_204")
def _(wire):
    assert (wire.status, wire.body) == (204, b"")


@seen("header_bomb")
def _(wire):
    assert len(wire.headers["x-bomb"]) == 100_000


@seen("header_bomb", fault="header_bomb=fields:500")
def _(wire):
    assert len(wire.headers) > 500


@seen("gzip_stream")
def _(wire):
    assert wire.headers["content-encoding"] == "gzip"
    assert zlib.decompressobj(wbits=31).decompress(wire.body).endswith(b"data: [DONE]\n\n")


@seen("gzip_stream", body=WHOLE)
def _(wire):
    assert json.loads(gzip.decompress(wire.body))["choices"]


@seen("slow_first_word", fault="slow_first_word=0.3", quiet_seconds=0.1)
def _(wire):
    assert (wire.raw, wire.ending) == (b"", "open")


@seen("slow_first_word", fault="slow_first_word=0.05", until=b"0\r\n\r\n")
def _(wire):
    assert wire.text == WORDS


@seen("head_at_once", fault="head_at_once,slow_first_word=0.3", quiet_seconds=0.1)
def _(wire):
    assert wire.raw.endswith(b"\r\n\r\n")
    assert (wire.status, wire.body) == (200, b"")


@seen("silent", quiet_seconds=0.1)
def _(wire):
    assert (wire.raw, wire.ending) == (b"", "open")


@seen("silent", body=WHOLE, quiet_seconds=0.1)
def _(wire):
    assert (wire.raw, wire.ending) == (b"", "open")


@seen("head_then_silent", quiet_seconds=0.1)
def _(wire):
    assert (wire.status, wire.body, wire.ending) == (200, b"", "open")


@seen("close_before")
def _(wire):
    assert (wire.raw, wire.ending) == (b"", "eof")


@seen("reset_before")
def _(wire):
    assert (wire.raw, wire.ending) == (b"", "reset")


@seen("reset_before", body=WHOLE)
def _(wire):
    assert (wire.raw, wire.ending) == (b"", "reset")


@seen("close_after_head")
def _(wire):
    assert (wire.status, wire.body, wire.ending) == (200, b"", "eof")


@seen("reset_after_head")
def _(wire):
    assert (wire.status, wire.body, wire.ending) == (200, b"", "reset")


@seen("reset_reused")
def _(wire):
    assert wire.text == WORDS


@seen("cut_mid_stream")
def _(wire):
    assert (len(wire.values), wire.ending, wire.whole) == (3, "eof", False)


@seen("cut_mid_stream", fault="cut_mid_stream=0")
def _(wire):
    assert (wire.raw, wire.ending) == (b"", "eof")


@seen("cut_mid_stream", fault="cut_mid_stream=9999")
def _(wire):
    assert wire.text == WORDS
    assert b'finish_reason":"' not in wire.body


@seen("cut_mid_stream", body=WHOLE)
def _(wire):
    assert (wire.ending, wire.whole) == ("eof", False)
    assert wire.body.startswith(b'{"id"')
    assert not wire.body.endswith(b"}")


@seen("reset_mid_stream")
def _(wire):
    assert (len(wire.values), wire.ending) == (3, "reset")


@seen("unfinished")
def _(wire):
    assert (len(wire.events), wire.whole) == (3, True)


@seen("stalls", quiet_seconds=0.1)
def _(wire):
    assert (len(wire.values), wire.ending, wire.whole) == (3, "open", False)


@seen("stalls", body=WHOLE, quiet_seconds=0.1)
def _(wire):
    assert (wire.status, wire.ending) == (200, "open")
    assert wire.body.startswith(b'{"id"')


@seen("stalls", fault="stalls=1:0.05", until=b"0\r\n\r\n")
def _(wire):
    assert wire.text == WORDS
    assert len(wire.reads) > 1


@seen("no_done")
def _(wire):
    assert b"[DONE]" not in wire.body
    assert (wire.whole, wire.text) == (True, WORDS)


@seen("no_finish")
def _(wire):
    assert wire.events[-1] == b"data: [DONE]"
    assert b'finish_reason":"' not in wire.body


@seen("never_ends", quiet_seconds=0.1)
def _(wire):
    assert wire.events[-1] == b"data: [DONE]"
    assert (wire.ending, wire.whole) == ("open", False)


@seen("late_usage", fault="late_usage=0.3", quiet_seconds=0.1)
def _(wire):
    assert wire.values[-1]["choices"][0]["finish_reason"] == "stop"
    assert wire.ending == "open"


@seen("error_first_event")
def _(wire):
    assert wire.status == 200
    assert [value["error"]["code"] for value in wire.values] == [500]


@seen("error_first_event", body=WHOLE)
def _(wire):
    assert (wire.status, wire.json["error"]["code"]) == (200, 500)


@seen("error_mid_stream")
def _(wire):
    assert ["error" in value for value in wire.values] == [False] * 3 + [True]
    assert b"[DONE]" not in wire.body


@seen("error_text_mid_stream")
def _(wire):
    assert wire.values[-1] == {"error": "Model is overloaded", "error_type": "overloaded"}


@seen("garbage_frame")
def _(wire):
    assert wire.events[3] == b'data: {"id":"chatcmpl-gar'


@seen("bad_utf8")
def _(wire):
    assert b"\xff\xfe" in wire.events[3]


@seen("crlf_frames")
def _(wire):
    assert wire.body.endswith(b"data: [DONE]\r\n\r\n")
    assert wire.body.count(b"\n") == wire.body.count(b"\r\n")


@seen("cr_frames")
def _(wire):
    assert wire.body.endswith(b"data: [DONE]\r\r")
    assert b"\n" not in wire.body


@seen("multi_line_data")
def _(wire):
    lines = wire.events[1].split(b"\n")
    assert len(lines) == 2
    assert json.loads(b"\n".join(line.removeprefix(b"data: ") for line in lines))["choices"]


@seen("bom")
def _(wire):
    assert wire.body.startswith(b"\xef\xbb\xbfdata: ")


@seen("no_space_after_colon")
def _(wire):
    assert wire.body.startswith(b'data:{"id"')
    assert wire.body.endswith(b"data:[DONE]\n\n")


@seen("other_fields")
def _(wire):
    assert all(event.startswith(b"event: message\nid: 7\nretry: 1000\ndata: ") for event in wire.events)


@seen("comments")
def _(wire):
    assert wire.events[::2] == [b": keep-alive"] * (len(wire.events) // 2)
    assert wire.text == WORDS


@seen("comments", body=WHOLE)
def _(wire):
    assert wire.json["choices"]


@seen("empty_frames")
def _(wire):
    assert wire.events[1:4] == [b"data: {}", b'data: {"choices":[]}', b'data: {"choices":[{}]}']


@seen("repeats_frame")
def _(wire):
    assert wire.events[2] == wire.events[3]


@seen("huge_event")
def _(wire):
    assert max(map(len, wire.events)) > 1_100_000


@seen("huge_reply", fault="huge_reply=3000000", until=b"0\r\n\r\n")
def _(wire):
    assert len(wire.body) > 3_000_000
    assert wire.whole


@seen("frames_after_done")
def _(wire):
    assert wire.events.count(b"data: [DONE]") == 2
    assert wire.events[-2].startswith(b"data: {")


@seen("two_finish_reasons")
def _(wire):
    reasons = [choice["finish_reason"] for value in wire.values for choice in value["choices"]]
    assert [reason for reason in reasons if reason] == ["stop", "length"]


@seen("null_model")
def _(wire):
    assert {value["model"] for value in wire.values} == {None}


@seen("no_model", body=WHOLE)
def _(wire):
    assert "model" not in wire.json


@seen("role_each_frame")
def _(wire):
    assert all(choice["delta"]["role"] == "assistant" for value in wire.values for choice in value["choices"])
    assert wire.text == WORDS


def usage(wire):
    (told,) = [value["usage"] for value in wire.values if value.get("usage")]
    return told


@seen("usage_missing")
def _(wire):
    assert not any("usage" in value for value in wire.values)


@seen("usage_missing", body=WHOLE)
def _(wire):
    assert "usage" not in wire.json


@seen("usage_negative")
def _(wire):
    assert usage(wire)["prompt_tokens"] < 0


@seen("usage_huge")
def _(wire):
    assert usage(wire)["completion_tokens"] > 10**18


@seen("usage_float", body=WHOLE)
def _(wire):
    assert isinstance(wire.json["usage"]["prompt_tokens"], float)


@seen("usage_text")
def _(wire):
    assert isinstance(usage(wire)["total_tokens"], str)


@seen("usage_zero")
def _(wire):
    assert usage(wire)["completion_tokens"] == 0


@seen("usage_each_chunk")
def _(wire):
    counts = [value["usage"]["completion_tokens"] for value in wire.values]
    assert counts == sorted(counts)
    assert counts[-1] == 17


@seen("usage_each_chunk", fault="usage_each_chunk ", body=ask(stream=True))
def _(wire):
    assert all(value["usage"] for value in wire.values)


@seen("usage_twice")
def _(wire):
    assert [value["usage"]["completion_tokens"] for value in wire.values if value["usage"]] == [5, 17]


@seen("usage_with_finish")
def _(wire):
    last = wire.values[-1]
    assert (last["choices"][0]["finish_reason"], last["usage"]["completion_tokens"]) == ("stop", 17)


@seen("cut_at", fault="cut_at=100", until=b"0\r\n\r\n")
def _(wire):
    assert dict(wire.headers)
    assert dechunk_sizes(wire) == [100, len(wire.body) - 100]
    assert len(wire.reads) == 2


@seen("dribble", fault="dribble=1000", until=b"0\r\n\r\n")
def _(wire):
    assert len(wire.reads) > 3
    assert wire.text == WORDS


@seen("pace", fault="pace=0.01", until=b"0\r\n\r\n", body=ask("Count to 3", stream=True))
def _(wire):
    assert len(wire.reads) > 5
    assert wire.text == "1, 2, 3"


@seen("short_body")
def _(wire):
    assert int(wire.headers["content-length"]) == len(wire.body) + 100
    assert wire.ending == "eof"


@seen("no_length", body=WHOLE)
def _(wire):
    assert "content-length" not in wire.headers
    assert "transfer-encoding" not in wire.headers
    assert wire.json["choices"]
    assert wire.ending == "eof"


@seen("bad_chunk")
def _(wire):
    assert wire.raw.endswith(b"\r\nnot-a-size\r\n")


@seen("length_and_chunked")
def _(wire):
    assert (wire.headers["content-length"], wire.headers["transfer-encoding"]) == ("5", "chunked")


@seen("garbage_head")
def _(wire):
    assert wire.raw.startswith(b"SSH-2.0")


@seen("more_than_asked", body=WHOLE)
def _(wire):
    assert wire.raw.endswith(b'{"id":"poisoned"}')
    assert wire.raw.count(b"HTTP/1.1 200") == 2
    assert wire.ending == "open"


@seen("interim_replies", body=WHOLE, until=b"}}}")
def _(wire):
    assert wire.raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n")
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in wire.raw


@seen("closes_unsaid", body=WHOLE, until=b"the end of the connection")
def _(wire):
    assert wire.json["choices"]
    assert "connection" not in wire.headers
    assert wire.ending == "eof"


def dechunk_sizes(wire):
    rest, sizes = wire.raw.partition(b"\r\n\r\n")[2], []
    while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
        sizes.append(size)
        rest = rest.partition(b"\r\n")[2][size + 2 :]
    return sizes


@pytest.mark.parametrize("key", CHECKS)
def test_a_fault_shows_on_the_wire_as_the_table_says(run, key):
    _, fault, body, options, check = CHECKS[key]

    async def call():
        async with practice(INSTANT[:1]) as servers:
            check(await fetch(servers["practice-swift"], body, fault=fault, **options))

    run(call())


def test_every_fault_of_the_table_is_seen():
    assert {name for name, *_ in CHECKS.values()} == set(FAULTS)


def test_every_fault_says_what_it_does():
    assert all(fault.about.endswith(".") for fault in FAULTS.values())


def test_a_provider_lives_on_after_every_fault(run):
    async def call():
        async with practice(INSTANT[:1]) as servers:
            server = servers["practice-swift"]
            for fault in FAULTS:
                if fault not in ("huge_reply", "dribble", "slow_first_word", "pace", "late_usage"):
                    await fetch(server, STREAM, fault=fault, quiet_seconds=0.03)
            assert (await fetch(server, STREAM, until=b"0\r\n\r\n")).text == WORDS
            assert server.streams == 0

    run(call())


def test_a_reused_connection_is_reset_and_a_fresh_one_is_not(run):
    async def call():
        async with practice(INSTANT[:1]) as servers, line_to(servers["practice-swift"]) as (reader, writer):
            said = request(STREAM, {"x-practice-fault": "reset_reused"})
            writer.write(said)
            assert (await listen_to(reader, b"0\r\n\r\n")).text == WORDS
            writer.write(said)
            again = await listen_to(reader, b"0\r\n\r\n")
            assert (again.raw, again.ending) == (b"", "reset")

    run(call())


def test_a_large_body_is_refused_before_it_has_come(run):
    async def call():
        async with practice(INSTANT[:1]) as servers, line_to(servers["practice-swift"]) as (reader, writer):
            writer.write(request(b"x" * 70_000, {"x-practice-fault": "early_413"})[:1000])
            wire = await listen_to(reader, b"}")
            is_error(wire, 413)

    run(call())


def test_faults_add_up_from_left_to_right(run):
    async def call():
        async with practice(INSTANT[:1]) as servers:
            wire = await fetch(servers["practice-swift"], STREAM, fault="comments, crlf_frames,cut_mid_stream=2")
            assert wire.body.count(b": keep-alive\r\n\r\n") == 2
            assert wire.ending == "eof"

    run(call())


def test_any_two_faults_go_together_or_are_refused():
    small = {"huge_reply": "huge_reply=100000", "huge_event": "huge_event=1000", "header_bomb": "header_bomb=100"}
    event = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"%d"},"finish_reason":null}],"usage":null}\n\n'
    finish = event.replace(b'"finish_reason":null', b'"finish_reason":"stop"')
    usage = b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    stream = Script(
        (*(event % n for n in range(3)), finish % 3, usage, b"data: [DONE]\n\n"), streamed=True, headers=SSE
    )
    whole = Script((b'{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}',))
    refused = set()
    for one in FAULTS:
        for two in FAULTS:
            for script in (stream, whole):
                try:
                    perform(script, read(f"{small.get(one, one)},{small.get(two, two)}"), "practice-swift", 1)
                except Refusal:
                    refused.add((one, two))
    assert len(refused) < 100


def test_a_model_id_can_carry_a_fault(run):
    async def call():
        async with practice(INSTANT[:1]) as servers:
            wire = await fetch(servers["practice-swift"], ask(model="practice/parrot+status=502"))
            is_error(wire, 502)

    run(call())


def test_a_fault_can_be_set_for_a_running_provider_and_taken_away(run):
    async def call():
        async with practice(INSTANT[:1]) as servers:
            server = servers["practice-swift"]
            server.set_faults("status_503")
            is_error(await fetch(server, WHOLE), 503)
            server.set_faults("")
            assert (await fetch(server, WHOLE)).status == 200

    run(call())


def test_every_third_call_fails_and_the_same_ones_each_time(run):
    async def statuses():
        async with practice(INSTANT[:1]) as servers:
            servers["practice-swift"].set_faults("status_503@1/3")
            return [(await fetch(servers["practice-swift"], WHOLE, until=b"}")).status for _ in range(7)]

    assert run(statuses()) == [200, 200, 503, 200, 200, 503, 200]


def test_a_share_of_calls_fails_by_chance_that_repeats():
    (wanted,) = read("reset_before@20%")
    strikes = [wanted.strikes("practice-flaky", number) for number in range(1, 1001)]
    assert 150 < sum(strikes) < 250
    assert strikes == [wanted.strikes("practice-flaky", number) for number in range(1, 1001)]
    assert strikes != [wanted.strikes("another", number) for number in range(1, 1001)]


def test_a_flaky_provider_fails_once_in_so_many_calls_and_in_turn_each_way():
    wanted = read("flaky=3")
    struck = {number: [one.name for one in wanted if one.strikes("x", number)] for number in range(1, 16)}
    assert {number: names for number, names in struck.items() if names} == {
        3: ["status_503"],
        6: ["reset_before"],
        9: ["cut_mid_stream"],
        12: ["rate_limited"],
        15: ["error_first_event"],
    }


def test_a_wanted_fault_is_written_as_it_is_read():
    for text in ("status_503@1/5", "reset_before@20%", "cut_mid_stream=7", "bom"):
        (wanted,) = read(text)
        assert wanted.text == text
    assert read("stalls") == (Wanted("stalls", "3"),)


@pytest.mark.parametrize("text", ["nonsense", "status_5000", "status_503@", "@20%", "status_503@1/x", "bom=a\nb"])
def test_an_unknown_fault_is_refused_with_the_known_ones(text):
    with pytest.raises(Refusal) as caught:
        read(text)
    assert "status_500" in caught.value.why


@pytest.mark.parametrize(
    "fault",
    [
        "cut_mid_stream=soon",
        "slow_first_word=-1",
        "status=7",
        "huge_event=999999999999",
        "pace=nan",
        "stalls=1:x",
        "nonsense",
        "status_50",
    ],
)
def test_a_fault_that_makes_no_sense_is_a_400_that_says_so(run, fault):
    async def call():
        async with practice(INSTANT[:1]) as servers:
            wire = await fetch(servers["practice-swift"], STREAM, fault=fault)
            is_error(wire, 400)
            assert fault.partition("=")[0] in wire.json["error"]["message"]

    run(call())


def test_the_nearest_fault_is_named():
    with pytest.raises(Refusal) as caught:
        read("reset_befor")
    assert caught.value.fix == "Did you mean reset_before?"
