from __future__ import annotations

import asyncio

from bench.relay import Relay

REQUEST, REPLY = b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def test_bytes_pass_both_ways_untouched_and_the_end_too():
    async def answer(reader, writer):
        assert await reader.readexactly(len(REQUEST)) == REQUEST
        writer.write(REPLY)
        await writer.drain()
        writer.close()

    async def run():
        upstream = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = upstream.sockets[0].getsockname()[1]
        relay = await asyncio.get_running_loop().create_server(lambda: Relay(port), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.sockets[0].getsockname()[1])
        writer.write(REQUEST)
        heard = await reader.read()
        writer.close()
        relay.close()
        upstream.close()
        return heard

    assert asyncio.run(run()) == REPLY
