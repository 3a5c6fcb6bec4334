"""What a provider says arrives byte for byte, however the network cut it, but for the little that we must change."""

from __future__ import annotations

import asyncio
import itertools
import json
import random

from inside import Inside, inside
from rawserver import Line, raw_server
from streams import NATIVE, OURS, stream_of, whole_of
from wayside import chat, endpoint_row, post, provider_rows

AT_ONCE = 8
STREAMS, STREAMS_FULL = 60, 1000
SLOW_STREAMS, SLOW_STREAMS_FULL = 6, 100
EVENT_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def chunks(body: bytes, sizes: list[int]) -> bytes:
    """A chunked body whose chunks have these sizes, and one more for what is left."""
    out, at = [], 0
    for size in [*sizes, len(body) - sum(sizes)]:
        if size > 0:
            out.append(b"%x\r\n%b\r\n" % (size, body[at : at + size]))
            at += size
    return b"".join(out) + b"0\r\n\r\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The pieces between these places."""
    edges = [0, *sorted(set(places)), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


def random_cuts(dice: random.Random, size: int) -> list[int]:
    return [dice.randrange(1, size) for _ in range(dice.randint(0, 12))]


def messages(head: bytes, body: bytes, dice: random.Random) -> list[bytes]:
    """A whole reply in TCP pieces: chunked, with a length, or until the connection ends; cut at random."""
    framing = dice.choice(["chunked", "bytes", "length", "end"])
    if framing == "length":
        reply = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    elif framing == "end":
        reply = head + b"connection: close\r\n\r\n" + body
    else:
        cuts = random_cuts(dice, len(body)) if framing == "chunked" else range(1, len(body))
        sizes = [len(piece) for piece in cut(body, list(cuts))]
        reply = head + b"transfer-encoding: chunked\r\n\r\n" + chunks(body, sizes)
    return cut(reply, random_cuts(dice, len(reply)))


class Speaker:
    """The provider: says for each call what its number stands for, piece by piece."""

    def __init__(self) -> None:
        self.replies: dict[int, list[bytes]] = {}

    async def __call__(self, line: Line) -> None:
        while True:
            request = await line.request()
            asked = json.loads(request.partition(b"\r\n\r\n")[2])
            assert asked["model"] == NATIVE
            pieces = self.replies[asked["number"]]
            await line.say(*pieces)
            if b"connection: close" in b"".join(pieces[:30]).partition(b"\r\n\r\n")[0]:
                return


async def ask(house: Inside, number: int, **fields: object) -> bytes:
    async with house.client() as client:
        answer = await client.ask(post(house.token, chat(number=number, **fields)))
    return answer.body if answer.status == 200 else b"%d: %b" % (answer.status, answer.body)


def carried(run, folder, calls) -> list[str]:
    """Carry the calls `(number, reply's pieces, fields, check)`; what was wrong with any."""

    async def all_of() -> list[str]:
        speaker = Speaker()
        gate = asyncio.Semaphore(AT_ONCE)
        async with raw_server(speaker) as server:
            url = f"http://127.0.0.1:{server.address.port}/v1"
            async with inside(folder, provider_rows({"raw": url}) + endpoint_row(OURS, "raw", NATIVE)) as house:

                async def one(number, pieces, fields, check) -> str | None:
                    speaker.replies[number] = pieces
                    async with gate:
                        wrong = check(await ask(house, number, **fields))
                    del speaker.replies[number]
                    return f"{number}: {wrong}" if wrong else None

                return [told for told in await asyncio.gather(*(one(*call) for call in calls)) if told]

    return run(all_of(), 600)


def usage(stream) -> dict:
    return {"stream_options": {"include_usage": True}} if stream.asks_usage else {}


def test_streams_arrive_byte_for_byte_wherever_they_are_cut(run, full, tmp_path) -> None:
    def call(number: int) -> tuple:
        stream = stream_of(number)
        pieces = messages(EVENT_STREAM, stream.raw, random.Random(number))
        return number, pieces, usage(stream), stream.check

    assert carried(run, tmp_path, map(call, range(STREAMS_FULL if full else STREAMS))) == []


def test_streams_arrive_byte_for_byte_when_they_come_byte_by_byte(run, full, tmp_path) -> None:
    def call(number: int) -> tuple:
        stream = stream_of(number)
        reply = EVENT_STREAM + b"transfer-encoding: chunked\r\n\r\n" + chunks(stream.raw, [])
        return number, cut(reply, list(range(len(reply)))), usage(stream), stream.check

    assert carried(run, tmp_path, map(call, range(SLOW_STREAMS_FULL if full else SLOW_STREAMS))) == []


def test_a_stream_arrives_byte_for_byte_when_cut_in_two_at_any_place(run, full, tmp_path) -> None:
    stream = min(map(stream_of, range(100)), key=lambda one: len(one.raw))
    streams = [stream, stream_of(3)] if full else [stream]
    replies = [(one, EVENT_STREAM + b"content-length: %d\r\n\r\n" % len(one.raw) + one.raw) for one in streams]
    calls = [
        (number * 100_000 + place, cut(reply, [place]), usage(one), one.check)
        for number, (one, reply) in enumerate(replies)
        for place in range(1, len(reply))
    ]
    assert carried(run, tmp_path, calls) == []


def test_a_stream_arrives_byte_for_byte_in_chunks_of_any_two_sizes(run, tmp_path) -> None:
    stream = min(map(stream_of, range(100)), key=lambda one: len(one.raw))
    head = EVENT_STREAM + b"transfer-encoding: chunked\r\n\r\n"
    calls = [
        (size, [head + chunks(stream.raw, [size])], usage(stream), stream.check) for size in range(1, len(stream.raw))
    ]
    assert carried(run, tmp_path, calls) == []


def test_whole_bodies_arrive_byte_for_byte(run, full, tmp_path) -> None:
    def call(number: int) -> tuple:
        raw, expected = whole_of(number)

        def check(got: bytes) -> str | None:
            return None if got == expected else f"{got!r} is not {expected!r}"

        return number, messages(JSON, raw, random.Random(number)), {"stream": False}, check

    assert carried(run, tmp_path, map(call, range(STREAMS_FULL if full else STREAMS))) == []
