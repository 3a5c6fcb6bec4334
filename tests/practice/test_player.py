"""Scripts on real connections: the pace, few writes at full speed, slow readers and leavers."""

import asyncio

from practiceclient import ask, fetch, line_to, listen_to, practice, request

from waypost.practice.profiles import SWIFT

PACED = SWIFT.at_speed(200, 0.05)
END = b"0\r\n\r\n"


def test_words_come_at_the_speed_that_was_set(run):
    async def call():
        async with practice((PACED,)) as servers, line_to(servers["practice-swift"]) as (reader, writer):
            clock = asyncio.get_running_loop().time
            writer.write(request(ask("Count to 20", stream=True)))
            began = clock()
            await reader.readuntil(b"data: ")
            first = clock() - began
            wire = await listen_to(reader, END)
            took = clock() - began
            assert first >= 0.045
            assert took >= 0.05 + 39 / 200 - 0.01
            assert len(wire.reads) > 5

    run(call())


def test_a_whole_reply_takes_as_long_as_its_words(run):
    async def call():
        async with practice((PACED,)) as servers:
            clock = asyncio.get_running_loop().time
            began = clock()
            wire = await fetch(servers["practice-swift"], ask("Count to 20"))
            assert wire.json["usage"]["completion_tokens"] == 39
            assert clock() - began >= 0.05 + 39 / 200 - 0.01

    run(call())


def test_at_full_speed_a_reply_comes_in_very_few_writes(run):
    async def call():
        async with practice() as servers:
            wire = await fetch(servers["practice-swift"], ask("Write 300 words", stream=True))
            assert len(wire.values) > 300
            assert wire.body.count(b"data: ") == len(wire.events)
            assert wire.raw.count(b"\r\n\r\n") <= 4

    run(call())


def test_a_caller_who_leaves_is_noticed_and_nothing_is_kept(run):
    async def call():
        async with practice() as servers:
            server = servers["practice-swift"]
            async with line_to(server) as (reader, writer):
                writer.write(request(ask(stream=True), {"x-practice-fault": "stalls"}))
                await reader.readuntil(b"data: ")
                assert (server.streams, server.connections) == (1, 1)
            while server.connections:
                await asyncio.sleep(0.005)
            assert (server.streams, server.desk.gone, server.desk.calls) == (0, 1, 1)

    run(call())


def test_a_reader_who_is_slow_does_not_fill_our_memory(run):
    async def call():
        async with practice() as servers:
            server = servers["practice-swift"]
            async with line_to(server) as (reader, writer):
                reader._transport.pause_reading()
                writer.write(request(ask(stream=True), {"x-practice-fault": "huge_reply=60000000"}))
                await asyncio.sleep(0.3)
                (player,) = server.desk.playing
                assert player._reply.transport.get_write_buffer_size() < 1_000_000
                reader._transport.resume_reading()
                total = 0
                while not (data := await reader.read(1 << 20)).endswith(END):
                    total += len(data)
                assert total > 59_000_000

    run(call())
