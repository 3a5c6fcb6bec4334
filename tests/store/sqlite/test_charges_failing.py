"""Any write of a commit with money may fail: then nothing of it happened, or all of it did."""

import apsw
import pytest
from failing_disk import failing_disk
from paid_calls import CREDITS, OPEN, balances, bill_of, broken, end
from purses import Purses
from sample_bills import START_MS, sample_payer

from waypost.ledger.book import Hold
from waypost.store.batch import Batch, Order
from waypost.store.folder_lock import FolderLock
from waypost.store.openings import Opening
from waypost.store.sql import OutcomeUnknown, TryAgain
from waypost.store.sqlite.folder import open_writer
from waypost.store.sqlite.scribe import Scribe

GRANTED = (("user.create", {"name": "ada"}), ("credits.grant", {"account": "user:1", "amount": 1000}))


def hold():
    made = Hold(Purses(credits__user__1=10**9), sample_payer(), 202611, (CREDITS,))
    made.amount = made.taken = 100
    return made


def write(scribe, batch):
    scribe.prepare(batch)
    scribe.write(batch)


@pytest.mark.parametrize("what", ["write", "sync"])
@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
@pytest.mark.parametrize("place", [1, 2, 3, 5, 8, 13])
def test_a_disk_that_fails_at_any_write_leaves_the_books_whole(folder, bills, what, error, place):
    with failing_disk() as disk:
        lock = FolderLock(folder)
        lock.take()
        connection = open_writer(folder, lock)
        scribe = Scribe(connection, lambda: START_MS)
        write(scribe, Batch([], [], [Order(name, args, None) for name, args in GRANTED], []))
        first, second = [bill_of(bills, hold()) for _ in range(2)]
        write(scribe, Batch([], [], [], [], [Opening(first)]))
        disk.fail_at(what, place, error)
        batch = Batch([(end(first, 60), None), (end(second, 30), None)], [], [], [])
        charged = True
        try:
            write(scribe, batch)
        except TryAgain:
            scribe.roll_back()
            assert broken(scribe.sql) == []
            assert balances(scribe.sql)["user:1"] == 1000
            scribe.write(batch)
        except OutcomeUnknown:
            connection.close()
            connection = open_writer(folder, lock)
            scribe = Scribe(connection, lambda: START_MS)
            scribe.sweep(None)
            charged = scribe.sql.value("SELECT count(*) FROM calls WHERE state = 1") == 2
        assert balances(scribe.sql)["user:1"] == (910 if charged else 1000)
        assert broken(scribe.sql) == []
        assert scribe.sql.value(OPEN) == 0
        disk.mend()
        connection.close()
        lock.release()
