"""On a disk that is played slow: what a caller hears waits for what must be written before it, and for nothing else."""

import asyncio
import json
import threading
from contextlib import asynccontextmanager

import apsw
import pytest
from failing_disk import failing_disk
from inside import inside
from pausing_provider import PausingProvider
from rawserver import raw_server
from wayside import MODEL, chat, endpoint_row, get, post, provider_rows
from wire_site import within

pytestmark = pytest.mark.keeps_sockets
LONG = 0.15
"""Seconds in which a caller would have heard what does not wait: it takes a few milliseconds."""


class Slow:
    """A serving process on a disk that stands still when told, in front of a provider that answers at once."""

    def __init__(self, running, provider, disk) -> None:
        self.running, self.provider, self.disk = running, provider, disk

    async def stop_disk(self) -> None:
        await asyncio.sleep(0.1)  # what the start leaves to be written is written
        self.disk.gate = threading.Event()

    def start_disk(self) -> None:
        gate, self.disk.gate = self.disk.gate, None
        gate.set()

    @asynccontextmanager
    async def asked(self, *, stream: bool):
        async with self.running.client() as client:
            body = chat(f"{MODEL}:alpha", stream=stream, max_tokens=50)
            client.send(post(self.running.token, body, "/v1/chat/completions"))
            yield client

    async def charged(self) -> list:
        async with self.running.client() as client:
            found = json.loads((await client.ask(get(self.running.token, "/v1/requests"))).body)["data"]
            return [one["charge_nano_usd"] for one in found]


async def silent(client, seconds: float = LONG) -> bool:
    """Nothing comes."""
    try:
        async with asyncio.timeout(seconds):
            return await client.reader.read(1) is None
    except TimeoutError:
        return True


@pytest.fixture
def slow(run, tmp_path):
    def play(story):
        async def whole() -> None:
            provider = PausingProvider(usage=True)
            async with raw_server(provider) as server:
                rows = provider_rows({"alpha": f"http://127.0.0.1:{server.address.port}/v1"})
                async with inside(tmp_path, rows + endpoint_row(MODEL, "alpha")) as running:
                    await story(Slow(running, provider, disk))

        with failing_disk() as disk:
            run(whole())

    return play


def test_the_head_of_a_reply_in_one_piece_waits_for_its_settlement(slow) -> None:
    async def story(it: Slow) -> None:
        await it.stop_disk()
        async with it.asked(stream=False) as client:
            await within(it.provider.finished.wait())
            assert await silent(client)
            it.start_disk()
            status, _ = await client.head()
            assert status == 200
            [charge] = await it.charged()
            assert charge > 0

    slow(story)


def test_the_status_line_of_a_stream_waits_for_its_hold(slow) -> None:
    async def story(it: Slow) -> None:
        await it.stop_disk()
        it.provider.pause("finish")
        async with it.asked(stream=True) as client:
            await within(it.provider.reached.wait())
            assert await silent(client)
            it.start_disk()
            status, _ = await client.head()
            assert status == 200
            await within(client.reader.readuntil(b'" five"'))
            it.provider.go_on.set()
            await within(client.reader.readuntil(b"[DONE]"))

    slow(story)


def test_words_and_the_finish_pass_at_once_and_the_tail_waits_for_the_settlement(slow) -> None:
    async def story(it: Slow) -> None:
        it.provider.pause(" two")
        async with it.asked(stream=True) as client:
            await within(client.reader.readuntil(b'"one"'))
            await it.stop_disk()
            it.provider.go_on.set()
            heard = await within(client.reader.readuntil(b'"stop"'))
            assert b" five" in heard
            rest = await within(client.reader.readuntil(b"\r\n"))
            assert b"[DONE]" not in rest
            await within(it.provider.finished.wait())
            assert await silent(client)
            it.start_disk()
            assert (await within(client.reader.readuntil(b"0\r\n\r\n"))).count(b"[DONE]") == 1
            assert all(await it.charged())

    slow(story)


def test_a_hold_that_cannot_be_written_is_a_503_and_the_provider_is_let_go(slow) -> None:
    async def story(it: Slow) -> None:
        await it.stop_disk()
        it.provider.pause("finish")
        async with it.asked(stream=True) as client:
            await within(it.provider.reached.wait())
            it.disk.sync_error = apsw.FullError
            it.start_disk()
            head = await within(client.reader.readuntil(b"\r\n"), 12)  # it is tried again for five seconds
            assert head.startswith(b"HTTP/1.1 503 ")
            await within(it.provider.left.wait())
            it.disk.sync_error = None
            it.provider.go_on.set()
        async with asyncio.timeout(10):
            while it.running.serving.books.trouble is not None:
                await asyncio.sleep(0.02)
        assert not any(await it.charged())

    slow(story)


class Hasty:
    """A mutant of the books: who waits for nothing."""

    def __init__(self, books) -> None:
        self._books = books

    def __getattr__(self, name):
        return getattr(self._books, name)

    def held(self, waybill):
        return done(self._books.held(waybill))

    def file(self, waybill):
        return done(self._books.file(waybill))


def done(behind):
    behind.add_done_callback(asyncio.Future.exception)
    now = asyncio.get_running_loop().create_future()
    now.set_result(None)
    return now


@pytest.mark.parametrize("stream", [True, False])
def test_books_that_wait_for_nothing_would_be_noticed(slow, stream) -> None:
    async def story(it: Slow) -> None:
        it.running.serving.house.books = Hasty(it.running.serving.house.books)
        await it.stop_disk()
        async with it.asked(stream=stream) as client:
            assert not await silent(client, 5)
            it.start_disk()

    slow(story)
