import asyncio

import pytest
from sample_bills import START_MS

from waypost.domain.problems import Problem
from waypost.domain.pulse import PulseDelta
from waypost.store.books import Retention, StoreSettings
from waypost.store.frames import Hello, News, Request, Result, Unframer, Welcome, down_decoder, frame
from waypost.store.link import OwnerLink
from waypost.store.office import WORKERS_MAX
from waypost.store.owner import Owner
from waypost.store.socket_file import SOCKET, connected_socket

DELTA = PulseDelta(("acme/one", "alpha"), START_MS, (1.0,))


@pytest.fixture
def open_office(run, folder):
    """`open_office(story)`: run `story(owner, join)`; `join` connects one more worker."""

    def play(story):
        async def whole():
            owner = Owner(StoreSettings(folder))
            await owner.listen()
            links = []

            async def join():
                links.append(await OwnerLink.connect(folder))
                return links[-1]

            try:
                await story(owner, join)
            finally:
                for link in links:
                    await link.close()
                await owner.close()

        run(whole())

    return play


async def talk(folder):
    sock = connected_socket(folder)
    return await asyncio.open_unix_connection(sock=sock)


def test_what_speaks_another_language_is_cut_off_and_the_others_go_on(open_office, folder):
    async def story(owner, join):
        link = await join()
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x03abc", b"\xff" * 8):
            reader, writer = await talk(folder)
            writer.write(garbage)
            assert await reader.read() == b""
            writer.close()
        assert (await link.run("user.create", {"name": "ada"})).name == "ada"

    open_office(story)


def test_a_visit_is_no_worker_and_hears_no_changes(open_office, folder):
    async def story(owner, join):
        reader, writer = await talk(folder)
        writer.write(frame([Hello(1, serves=False), Request(5, "user.create", {"name": "ada"})]))
        unframer, heard = Unframer(), []
        while len(heard) < 2:
            for packed in unframer.feed(await reader.read(65_536)):
                heard += down_decoder.decode(packed)
        assert [type(message) for message in heard] == [Welcome, Result]
        assert not any(isinstance(message, News) for message in heard)
        assert owner.worker_pids == []
        writer.close()

    open_office(story)


def test_readings_go_to_every_worker_but_the_one_they_come_from(open_office):
    async def story(owner, join):
        teller, listener = await join(), await join()
        told, echoed, owners = asyncio.Queue(), [], []
        listener.on_pulse(told.put_nowait)
        teller.on_pulse(echoed.extend)
        owner.on_pulse(owners.extend)
        teller.send_pulse([DELTA])
        assert await told.get() == [DELTA]
        await teller.run("token.used", {"uses": {}})
        assert (echoed, owners) == ([], [DELTA])
        later = await join()
        known = []
        later.on_pulse(known.extend)
        assert known == [DELTA], "who comes later is told what is known"

    open_office(story)


def test_there_are_as_many_workers_as_there_are_numbers(open_office):
    async def story(owner, join):
        numbers = [(await join()).writer for _ in range(WORKERS_MAX)]
        assert numbers == list(range(1, WORKERS_MAX + 1))
        with pytest.raises(Problem):
            await join()

    open_office(story)


def test_a_worker_that_joins_is_not_waited_for_about_older_changes(open_office):
    async def story(owner, join):
        await owner.run("user.create", {"name": "ada"})
        await join()
        async with asyncio.timeout(0.9):
            await owner.run("token.used", {"uses": {}})

    open_office(story)


def test_a_worker_passes_on_how_long_waybills_are_kept(open_office, bills, reader):
    async def story(owner, join):
        await asyncio.gather(*(owner.file(bill) for bill in bills.some(600)))
        (await join()).retain(Retention(age_days_max=None, rows_max=5))
        async with asyncio.timeout(4):
            while reader().counts()["requests"] > 5:
                await asyncio.sleep(0.02)

    open_office(story)


def test_the_socket_goes_with_the_owner(open_office, folder):
    async def story(owner, join):
        assert (folder / SOCKET).exists()

    open_office(story)
    assert not (folder / SOCKET).exists()
