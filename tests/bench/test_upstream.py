from __future__ import annotations

import asyncio

import pytest
from bench.targets import Speech
from bench.upstream import ALIVE, BURST, FRAMES, WHOLE, Canned, Pace, kind_of


@pytest.mark.parametrize(
    ("target", "body", "kind"),
    [
        (b"/burst/v1/chat/completions", b"", "burst"),
        (b"/v1/chat/completions", b'{"model": "bench/paced"}', "paced"),
        (b"/v1/chat/completions", b'{"model": "idle"}', "idle"),
    ],
)
def test_the_path_or_the_model_chooses(target, body, kind) -> None:
    assert kind_of(b"post " + target + b" http/1.1", body) == kind


async def said(*pieces: bytes, until: bytes) -> bytes:
    """What the canned provider says to these bytes, up to and with an ending."""
    pace = Pace()
    server = await asyncio.get_running_loop().create_server(lambda: Canned(pace), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        return await reader.readuntil(until)
    finally:
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        pace.stop()


def test_a_whole_answer_comes_when_the_whole_request_is_there(run) -> None:
    request = Speech("/KIND/v1/chat/completions").request("whole").encode()
    assert run(said(request[:100], request[100:], until=WHOLE[-20:])) == WHOLE


def test_a_burst_holds_a_hundred_frames_and_the_usage(run) -> None:
    found = run(said(Speech().request("burst").encode(), until=b"0\r\n\r\n"))
    assert found == BURST
    assert found.count(b'"content":"xx') == FRAMES
    assert found.count(b'"usage":{') == 1


def test_paced_frames_come_one_by_one(run) -> None:
    found = run(said(Speech().request("paced").encode(), until=b"0\r\n\r\n"))
    assert found.count(b'"content":"xx') == FRAMES
    assert found.count(b'"usage":{') == 1


def test_a_brief_stream_is_one_frame_and_an_end(run) -> None:
    found = run(said(Speech().request("brief").encode(), until=b"0\r\n\r\n"))
    assert found.count(b'"content":"xx') == 1


def test_whoever_asks_whether_it_lives_is_told(run) -> None:
    assert run(said(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", until=b"[]}")) == ALIVE
