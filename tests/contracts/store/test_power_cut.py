"""What was acknowledged is on the disk, not only on its way: it survives the loss of everything that was not synced."""

import random

from paid_calls import CREDITS, bill_of, broken, end
from power_cut import cuttable_disk
from purses import Purses
from sample_bills import START_MS, Bills, sample_payer

from waypost.ledger.book import Hold
from waypost.store.batch import Batch, Order
from waypost.store.books import Retention
from waypost.store.folder_lock import FolderLock
from waypost.store.openings import Opening
from waypost.store.sqlite.chores import Chores, Pace
from waypost.store.sqlite.folder import open_reader, open_writer
from waypost.store.sqlite.scribe import Scribe
from waypost.store.sqlite.sql import SqliteSql

HOLD = 400
GRANTED = (("user.create", {"name": "ada"}), ("credits.grant", {"account": "user:1", "amount": 10**9}))


def hold():
    made = Hold(Purses(credits__user__1=10**9), sample_payer(), 202611, (CREDITS,))
    made.amount = made.taken = HOLD
    return made


def lost_after_cuts(folder, tmp_path, rounds, synchronous):
    """How many acknowledged waybills are gone, over many cuts at any moment between two commits."""
    choose = random.Random(5)
    bills, acknowledged, running, lost = Bills(), [], [], 0
    with cuttable_disk() as disk:
        lock = FolderLock(folder)
        lock.take()
        connection = open_writer(folder, lock)
        connection.pragma("synchronous", synchronous)
        scribe = Scribe(connection, lambda: START_MS)
        chores = Chores(scribe, Retention(None, None), lambda: START_MS, Pace(checkpoint_pages=40, log_pages=60))
        scribe.write(Batch([], [], [Order(name, args, None) for name, args in GRANTED], []))
        for number in range(rounds):
            ended = bills.some(choose.randrange(1, 9)) + [end(bill, choose.randrange(HOLD)) for bill in running]
            running = [bill_of(bills, hold()) for _ in range(choose.randrange(4))]
            batch = Batch([(bill, None) for bill in ended], [], [], [], [Opening(bill) for bill in running])
            scribe.prepare(batch)
            scribe.write(batch)
            acknowledged += [row[0] for row in batch.rows]
            if choose.random() < 0.3:
                chores.step()
            after = tmp_path / f"after-{number}"
            disk.cut(folder, after)
            reader = open_reader(after)
            kept = {number for (number,) in reader.execute("SELECT id FROM calls")}
            assert reader.execute("PRAGMA quick_check").get == "ok"
            assert broken(SqliteSql(reader)) == []
            reader.close()
            lost += len(set(acknowledged) - kept)
        connection.close()
        lock.release()
    return lost


def test_a_power_cut_loses_nothing_that_was_acknowledged(folder, tmp_path, full):
    assert lost_after_cuts(folder, tmp_path, 400 if full else 25, "FULL") == 0


def test_the_cut_would_show_what_a_weaker_sync_loses(folder, tmp_path):
    assert lost_after_cuts(folder, tmp_path, 10, "NORMAL") > 0
