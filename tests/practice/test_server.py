"""Providers start, stop, come back, and speak TLS."""

import asyncio
import socket
import ssl

import httpx
import pytest
import trustme
from practiceclient import INSTANT, ask, fetch, line_to, listen_to, practice, request

from waypost.practice.profiles import SWIFT
from waypost.practice.server import serve_practice, start

PACED = SWIFT.at_speed(200, 0.05)
END = b"0\r\n\r\n"


def test_a_provider_can_be_killed_in_mid_stream_and_come_back_on_its_port(run):
    async def call():
        async with practice((PACED, *INSTANT[1:])) as servers:
            server = servers["practice-swift"]
            async with line_to(server) as (reader, writer):
                writer.write(request(ask("Count to 500", stream=True)))
                await reader.readuntil(b"data: ")
                port = server.port
                await server.close()
                wire = await listen_to(reader, None)
                assert wire.ending in ("eof", "reset")
                assert not wire.raw.endswith(END)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert (await fetch(servers["practice-thrifty"], ask())).status == 200
            await server.open()
            assert server.port == port
            assert (await fetch(server, ask("Reply with exactly OK"))).status == 200

    run(call())


def test_a_taken_port_is_an_error_and_leaves_nothing_running(run):
    async def call():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            before = taken.getsockname()[1] - 1
            with pytest.raises(OSError, match="in use"):
                await start(INSTANT, port=before)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", before)

    run(call())


def test_providers_speak_tls_when_given_a_context(run):
    async def call():
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        servers = await start(INSTANT[:1], tls=context)
        async with httpx.AsyncClient(verify=trust) as client:
            reply = await client.post(
                servers.base_urls["practice-swift"] + "/chat/completions", json=ask("Reply with exactly OK")
            )
            assert reply.json()["choices"][0]["message"]["content"] == "OK"
        await servers.close()

    run(call())


def test_practice_alone_serves_until_it_is_told_to_stop(run):
    async def call():
        stop, running = asyncio.Event(), asyncio.Event()
        found = {}

        def ready(servers):
            found.update(servers.base_urls)
            running.set()

        serving = asyncio.create_task(serve_practice(stop, ready))
        await running.wait()
        async with httpx.AsyncClient() as client:
            assert (await client.get(found["together"] + "/models")).status_code == 200
        stop.set()
        await serving
        assert set(found) == {"practice-swift", "practice-thrifty", "practice-flaky", "together"}

    run(call())
