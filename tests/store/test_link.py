"""A worker's end, against an owner that the test plays message by message."""

import asyncio
import os

import pytest
from sample_bills import sample_caller

from waypost.domain.problems import Problem, Refusal
from waypost.domain.pulse import PulseDelta
from waypost.store.books import Change, Counter, DataError
from waypost.store.counters import Grant
from waypost.store.frames import (
    Answer,
    Bills,
    Felt,
    GivenBack,
    Hello,
    News,
    Question,
    Readings,
    Seen,
    Unframer,
    Unwritten,
    Welcome,
    Written,
    frame,
    packed_changes,
    packed_problem,
    up_decoder,
)
from waypost.store.link import OwnerLink
from waypost.store.slices import Returned
from waypost.store.socket_file import listening_socket

DELTA = PulseDelta(("acme/one", "alpha"), 5, (1.0,))


class PlayedOwner(asyncio.Protocol):
    """Keeps every frame it gets, and says what the test says."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue = asyncio.Queue()
        self.unframer = Unframer()
        self.transport = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data) -> None:
        for packed in self.unframer.feed(data):
            self.frames.put_nowait(up_decoder.decode(packed))

    def say(self, *messages) -> None:
        self.transport.write(frame(list(messages)))

    async def heard(self):
        async with asyncio.timeout(5):
            return await self.frames.get()


@pytest.fixture
def played(run, folder):
    """`played(story)`: run `story(owner, link)`."""

    def play(story):
        async def whole():
            owner = PlayedOwner()
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(lambda: owner, sock=listening_socket(folder))
            connecting = asyncio.create_task(OwnerLink.connect(folder))
            assert await owner.heard() == [Hello(os.getpid(), serves=True)]
            owner.say(Welcome(7, [DELTA]))
            link = await connecting
            try:
                await story(owner, link)
            finally:
                await link.close()
                owner.transport.abort()
                server.close()
                await server.wait_closed()

        run(whole())

    return play


def test_a_worker_is_known_by_the_number_the_owner_gives_it(played):
    async def story(owner, link):
        told = []
        link.on_pulse(told.extend)
        assert (link.writer, told) == (7, [DELTA])

    played(story)


def test_everything_said_in_one_turn_is_one_frame(played, bills):
    async def story(owner, link):
        futures = [link.file(bill) for bill in bills.some(5)]
        link.file_stranger(bills.bare(code="token_unknown"))
        link.send_pulse([DELTA])
        link.give(Counter("k", 10, 0), 1)
        felt, given, filed = await owner.heard()
        assert (type(felt), given) == (Felt, GivenBack(Returned("k", 0, 1)))
        assert (len(filed.rows), len(filed.strangers)) == (5, 1)
        assert isinstance(filed, Bills)
        owner.say(Written(5))
        await asyncio.gather(*futures)

    played(story)


def test_waybills_are_answered_in_their_order(played, bills):
    async def story(owner, link):
        futures = [link.file(bill) for bill in bills.some(4)]
        await owner.heard()
        owner.say(Written(1), Unwritten(1, packed_problem(Refusal("ledger_unavailable", "full"))))
        results = await asyncio.gather(*futures[:2], return_exceptions=True)
        assert [getattr(result, "code", None) for result in results] == [None, "ledger_unavailable"]
        assert not futures[2].done()
        owner.say(Written(2))
        await asyncio.gather(*futures[2:])

    played(story)


def test_a_change_is_acknowledged_when_it_is_in_force(played):
    async def story(owner, link):
        known = []
        link.on_changes(known.extend)
        change = Change(41, 5, "token", 1, sample_caller().token)
        owner.say(News(packed_changes([change])))
        assert await owner.heard() == [Seen(41)]
        assert known == [change]

    played(story)


def test_readings_of_other_workers_are_told(played):
    async def story(owner, link):
        told = asyncio.Queue()
        link.on_pulse(told.put_nowait)
        assert await told.get() == [DELTA]
        owner.say(Readings([DELTA, DELTA]))
        assert await told.get() == [DELTA, DELTA]

    played(story)


def test_what_a_caller_did_not_wait_for_is_given_back(played):
    async def story(owner, link):
        counter = Counter("k", 10, 0)
        asking = asyncio.create_task(link.take(counter, 2))
        (question,) = await owner.heard()
        assert isinstance(question, Question)
        asking.cancel()
        await asyncio.sleep(0)
        owner.say(Answer(question.number, Grant(True, 8, 0, 0, 0)))
        assert await owner.heard() == [GivenBack(Returned("k", 0, 2))]

    played(story)


def test_when_the_owner_has_gone_everybody_who_waits_is_told(played, bills):
    async def story(owner, link):
        gone = asyncio.Event()
        link.on_owner_gone(gone.set)
        waiting = [
            link.file(bills.bill()),
            asyncio.ensure_future(link.run("user.create", {"name": "ada"})),
            asyncio.ensure_future(link.take(Counter("k", 1, 0), 1)),
        ]
        await owner.heard()
        owner.transport.abort()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {result.code for result in results} == {"ledger_unavailable"}
        await gone.wait()
        with pytest.raises(Problem):
            await link.file(bills.bill())
        with pytest.raises(Problem):
            await link.run("user.create", {"name": "ada"})
        with pytest.raises(Problem):
            await link.take(Counter("k", 1, 0), 1)

    played(story)


def test_where_nobody_owns_the_folder_it_is_said_in_one_line(run, folder):
    async def story():
        with pytest.raises(DataError, match="Nobody owns"):
            await OwnerLink.connect(folder, seconds_max=0.05)

    run(story())
