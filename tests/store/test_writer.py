import threading
import time

import apsw
import pytest
from failing_disk import failing_disk
from sample_bills import START_MS

from waypost.store.batch import Order
from waypost.store.books import Retention, StoreSettings
from waypost.store.engines import engine_of
from waypost.store.folder_lock import FolderLock
from waypost.store.sql import OutcomeUnknown
from waypost.store.sqlite.engine import SqliteEngine
from waypost.store.sqlite.folder import open_reader
from waypost.store.writer import Hooks, Writer


class Desk:
    """Sees what the writer thread says."""

    def __init__(self, folder, **settings) -> None:
        self.lock = FolderLock(folder)
        self.lock.take()
        self.batches, self.news, self.fatal, self.swept, self.troubles = [], [], [], [], []
        self.something = threading.Condition()
        hooks = Hooks(*map(self.note, (self.batches, self.news, self.fatal, self.swept, self.troubles)))
        settings = {"retry_seconds_max": 0.3, "poll_seconds": 0.05} | settings
        writing = SqliteEngine(folder).open_writer(Retention(), lambda: START_MS)
        self.connection = writing.scribe.connection
        self.writer = Writer(*writing, StoreSettings(folder, **settings), hooks)

    def note(self, where):
        def said(*what) -> None:
            with self.something:
                where.append(what[-1])
                self.something.notify_all()

        return said

    def wait(self, ready) -> None:
        with self.something:
            assert self.something.wait_for(ready, 10)

    def file(self, bills) -> None:
        self.writer.bills.extend((bill, None) for bill in bills)
        self.writer.ring()

    @property
    def written(self) -> int:
        return sum(len(batch.bills) for batch in self.batches if batch.problem is None)


@pytest.fixture
def desk(folder):
    made = Desk(folder)
    made.writer.start()
    yield made
    if not made.fatal:
        made.writer.stop()
    made.lock.release()


def test_what_is_filed_is_on_the_disk_when_it_is_told(desk, folder, bills):
    desk.file(bills.some(5))
    desk.wait(lambda: desk.written == 5)
    reader = open_reader(folder)
    assert reader.execute("SELECT count(*) FROM calls").get == 5
    reader.close()


def test_what_comes_while_a_batch_is_written_goes_together(desk, bills):
    for bill in bills.some(300):
        desk.file([bill])
    desk.wait(lambda: desk.written == 300)
    assert len(desk.batches) < 150


def test_what_is_queued_is_written_before_the_end(desk, folder, bills):
    desk.writer.bills.extend((bill, None) for bill in bills.some(700))
    desk.writer.stop()
    assert desk.written == 700
    desk.writer._thread.join()


def test_a_full_disk_is_waited_for_and_the_same_batch_written(desk, bills):
    desk.file(bills.some(1))
    desk.wait(lambda: desk.written == 1)
    pages = desk.connection.pragma("page_count")
    desk.connection.pragma("max_page_count", pages + 1)
    desk.file(bills.some(50, reply_body=bytes(900)))
    time.sleep(0.1)
    assert desk.written == 1
    desk.connection.pragma("max_page_count", 1_000_000)
    desk.wait(lambda: desk.written == 51)
    assert not desk.fatal


def test_a_disk_that_stays_full_refuses_the_batch_and_the_next_one_at_once(desk, bills):
    desk.connection.pragma("max_page_count", desk.connection.pragma("page_count"))
    began = time.monotonic()
    desk.file(bills.some(50, reply_body=bytes(900)))
    desk.wait(lambda: len(desk.batches) >= 1)
    assert 0.3 <= time.monotonic() - began < 2
    assert desk.batches[0].problem.code == "ledger_unavailable"
    began = time.monotonic()
    desk.file(bills.some(50, reply_body=bytes(900)))
    desk.wait(lambda: len(desk.batches) >= 2)
    assert time.monotonic() - began < 0.25
    desk.connection.pragma("max_page_count", 1_000_000)
    desk.file(bills.some(3))
    desk.wait(lambda: desk.written == 3)


def test_a_disk_that_stays_full_is_told_soon_and_that_it_has_room_again_without_anything_to_write(desk, bills):
    desk.file(bills.some(1))
    desk.wait(lambda: desk.written == 1)
    assert desk.troubles == []
    desk.connection.pragma("max_page_count", desk.connection.pragma("page_count"))
    began = time.monotonic()
    desk.file(bills.some(50, reply_body=bytes(900)))
    desk.wait(lambda: desk.troubles)
    assert time.monotonic() - began < 1
    assert desk.troubles == ["database or disk is full"]
    time.sleep(1.2)  # it is tried meanwhile, and found as full as before
    assert desk.writer.trouble == "database or disk is full"
    desk.connection.pragma("max_page_count", 1_000_000)
    desk.wait(lambda: len(desk.troubles) > 1)
    assert desk.troubles[1:] == [None]
    desk.file(bills.some(3))
    desk.wait(lambda: desk.written == 4)
    assert desk.connection.execute("SELECT count(*) FROM pulse").get == 0


def test_trouble_is_told_while_the_first_batch_is_still_tried(folder, bills):
    desk = Desk(folder, retry_seconds_max=60)
    desk.writer.start()
    desk.connection.pragma("max_page_count", desk.connection.pragma("page_count"))
    desk.file(bills.some(50, reply_body=bytes(900)))
    desk.wait(lambda: desk.troubles)
    assert (desk.batches, desk.writer.unwritten) == ([], 50)
    desk.connection.pragma("max_page_count", 1_000_000)
    desk.wait(lambda: desk.written == 50)
    assert (desk.troubles[1:], desk.writer.unwritten) == ([None], 0)
    desk.writer.stop()
    desk.lock.release()


def test_an_unknown_outcome_is_fatal_and_hands_back_what_was_on_its_way(folder, bills):
    with failing_disk() as disk:
        desk = Desk(folder)
        desk.writer.start()
        desk.file(bills.some(1))
        desk.wait(lambda: desk.written == 1)
        disk.sync_error = apsw.IOError
        desk.file(bills.some(2))
        desk.wait(lambda: desk.fatal)
        assert isinstance(desk.fatal[0], OutcomeUnknown)
        desk.file(bills.some(3))
        assert sum(len(batch.bills) for batch in desk.writer.abandoned()) == 5
        disk.sync_error = None
        desk.writer._thread.join()
        desk.connection.close()
        desk.lock.release()


def test_other_processes_writes_are_noticed_soon(desk, folder):
    other = apsw.Connection(str(folder / "waypost.db"))
    other.set_busy_timeout(1000)
    began = time.monotonic()
    with other:
        other.execute("INSERT INTO users (name, created_at) VALUES ('eve', 1)")
        other.execute("INSERT INTO changes (at_ms, subject, subject_id) VALUES (1, 'user', 1)")
    desk.wait(lambda: desk.news)
    assert time.monotonic() - began < 1
    assert desk.news[0][0].value.name == "eve"
    other.close()


def test_commands_are_answered_in_their_order(desk):
    for name in ("ada", "bob", "ada"):
        desk.writer.orders.append(Order("user.create", {"name": name}, name))
    desk.writer.ring()
    desk.wait(lambda: sum(len(batch.orders) for batch in desk.batches) == 3)
    results = [getattr(result, "name", "refused") for batch in desk.batches for result in batch.results]
    assert results == ["ada", "bob", "refused"]


def test_a_connection_lost_while_nobody_writes_is_made_again_and_is_no_trouble(folder, postgres, postgres_database):
    troubles = []
    writing = engine_of(folder, postgres_database).open_writer(Retention(), lambda: START_MS)
    polled, heard = threading.Semaphore(0), threading.Event()

    def news():
        polled.release()
        connection = writing.scribe.session.connection
        found = real()
        if writing.scribe.session.connection is not connection:
            heard.set()
        return found

    real, writing.scribe.news = writing.scribe.news, news
    nothing = [lambda *_: None] * 4
    writer = Writer(*writing, StoreSettings(folder, poll_seconds=0.02), Hooks(*nothing, troubles.append))
    lost = writing.scribe.session.connection.info.backend_pid
    writer.start()
    for _ in range(3):  # by then the chores of the beginning are done
        polled.acquire()
    postgres.execute(f"SELECT pg_terminate_backend({lost}, 5000)")
    assert heard.wait(10)
    writer.stop()
    assert troubles == []
