"""What was acknowledged is on the disk, not only on its way: it survives the loss of everything that was not synced."""

import random

from power_cut import cuttable_disk
from sample_bills import START_MS, Bills

from waypost.store.batch import Batch
from waypost.store.books import Retention
from waypost.store.folder_lock import FolderLock
from waypost.store.sqlite.chores import Chores, Pace
from waypost.store.sqlite.folder import open_reader, open_writer
from waypost.store.sqlite.scribe import Scribe


def lost_after_cuts(folder, tmp_path, rounds, synchronous):
    """How many acknowledged waybills are gone, over many cuts at any moment between two commits."""
    choose = random.Random(5)
    bills, acknowledged, lost = Bills(), [], 0
    with cuttable_disk() as disk:
        lock = FolderLock(folder)
        lock.take()
        connection = open_writer(folder, lock)
        connection.pragma("synchronous", synchronous)
        scribe = Scribe(connection, lambda: START_MS)
        chores = Chores(scribe, Retention(None, None), lambda: START_MS, Pace(checkpoint_pages=40, log_pages=60))
        for number in range(rounds):
            batch = Batch([(bill, None) for bill in bills.some(choose.randrange(1, 9))], [], [], [])
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
            reader.close()
            lost += len(set(acknowledged) - kept)
        connection.close()
        lock.release()
    return lost


def test_a_power_cut_loses_nothing_that_was_acknowledged(folder, tmp_path, full):
    assert lost_after_cuts(folder, tmp_path, 400 if full else 25, "FULL") == 0


def test_the_cut_would_show_what_a_weaker_sync_loses(folder, tmp_path):
    assert lost_after_cuts(folder, tmp_path, 10, "NORMAL") > 0
