import apsw
import pytest
from failing_disk import failing_disk

from waypost.store.beginning import begin
from waypost.store.books import DataError
from waypost.store.folder_lock import FolderLock
from waypost.store.sqlite.folder import open_writer
from waypost.store.sqlite.scribe import Scribe


def test_each_life_has_its_own_epoch_and_knows_its_month(connection):
    scribe = Scribe(connection, lambda: 5)
    first, standing = begin(scribe, 1_790_000_000_000)
    second, _ = begin(scribe, 1_790_000_000_000)
    assert (first, second, standing.period) == (1, 2, 202609)


def test_a_full_disk_is_said_in_one_line(folder):
    with failing_disk() as disk:
        lock = FolderLock(folder)
        lock.take()
        scribe = Scribe(open_writer(folder, lock), lambda: 5)
        disk.write_error = apsw.FullError
        with pytest.raises(DataError, match="cannot be written"):
            begin(scribe, 5)
        lock.release()
