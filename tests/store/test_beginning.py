import apsw
import pytest
from failing_disk import failing_disk

from waypost.domain.requests import first_number_at
from waypost.store.beginning import begin
from waypost.store.books import DataError
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.folder_lock import FolderLock
from waypost.store.sqlite.folder import open_writer
from waypost.store.sqlite.scribe import Scribe


def test_each_life_has_its_own_epoch_and_knows_its_month(connection):
    scribe = Scribe(connection, lambda: 5)
    first, standing = begin(scribe, 1_790_000_000_000)
    second, _ = begin(scribe, 1_790_000_000_000)
    assert (first, second, standing.period) == (1, 2, 202609)


def test_keys_that_calls_of_the_life_before_claimed_are_free(connection):
    scribe = Scribe(connection, lambda: 5)
    begin(scribe, 1_790_000_000_000)
    run_command(Desk(scribe.sql, 5), "user.create", {"name": "ada"})
    claim = {"user": 1, "key": b"k" * 32, "body": b"b" * 32}
    later_than_now = first_number_at(1_790_000_000_001) | 7 << 15
    assert run_command(Desk(scribe.sql, 5), "keyed.claim", claim | {"call": later_than_now})["state"] == "yours"
    begin(scribe, 1_790_000_000_000)
    assert run_command(Desk(scribe.sql, 5), "keyed.claim", claim | {"call": 9})["state"] == "yours"


def test_a_full_disk_is_said_in_one_line(folder):
    with failing_disk() as disk:
        lock = FolderLock(folder)
        lock.take()
        scribe = Scribe(open_writer(folder, lock), lambda: 5)
        disk.write_error = apsw.FullError
        with pytest.raises(DataError, match="cannot be written"):
            begin(scribe, 5)
        lock.release()
