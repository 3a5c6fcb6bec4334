import shutil
from pathlib import Path

import apsw
import pytest

from waypost.store.sqlite.folder import open_reader
from waypost.store.sqlite.log_file import PAGE_BYTES, PIECE_BYTES, lengthen

PAGES = 600


def length(connection):
    return Path(connection.filename_wal).stat().st_size


def lengthen_all(connection):
    pieces = 0
    while lengthen(connection, PAGES):
        pieces += 1
    return pieces


def add(connection, number):
    connection.execute("INSERT INTO users (name, created_at) VALUES (?, 1)", (f"u{number}",))


def names_in_copy(folder, into):
    """What a process finds that comes after a kill -9 at this moment."""
    shutil.copytree(folder, into, ignore=shutil.ignore_patterns("*-shm"))
    reader = open_reader(into)
    found = [name for (name,) in reader.execute("SELECT name FROM users ORDER BY id")]
    assert reader.execute("PRAGMA quick_check").get == "ok"
    reader.close()
    return found


def test_a_log_is_made_long_in_pieces_and_no_longer_than_wanted(connection):
    assert length(connection) < PIECE_BYTES
    assert lengthen_all(connection) == 3
    assert length(connection) == PAGES * PAGE_BYTES


def test_commits_then_write_over_what_is_there(connection):
    lengthen_all(connection)
    for number in range(50):
        add(connection, number)
    assert length(connection) == PAGES * PAGE_BYTES
    connection.wal_checkpoint()
    add(connection, 50)
    assert length(connection) == PAGES * PAGE_BYTES


def test_a_killed_process_leaves_a_long_log_that_holds_what_was_committed(connection, folder, tmp_path):
    add(connection, 0)
    lengthen_all(connection)
    assert names_in_copy(folder, tmp_path / "lengthened") == ["u0"]
    add(connection, 1)
    assert names_in_copy(folder, tmp_path / "written") == ["u0", "u1"]
    connection.wal_checkpoint()
    add(connection, 2)
    assert names_in_copy(folder, tmp_path / "restarted") == ["u0", "u1", "u2"]


def test_a_log_that_was_still_empty_begins_within_its_zeros(connection, folder, tmp_path):
    add(connection, 0)
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert length(connection) == 0
    lengthen_all(connection)
    assert names_in_copy(folder, tmp_path / "zeros") == ["u0"]
    add(connection, 1)
    assert names_in_copy(folder, tmp_path / "begun") == ["u0", "u1"]
    assert length(connection) == PAGES * PAGE_BYTES


def test_nobody_writes_meanwhile(connection, folder):
    connection.set_busy_timeout(0)
    other = apsw.Connection(str(folder / "waypost.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(apsw.BusyError):
        lengthen(connection, PAGES)
    other.execute("ROLLBACK")
    other.close()
    assert lengthen(connection, PAGES)
    assert not connection.in_transaction


def test_a_log_that_cannot_be_written_says_so_and_holds_nobody_up(connection):
    log = Path(connection.filename_wal)
    away = log.rename(log.with_suffix(".away"))
    with pytest.raises(FileNotFoundError):
        lengthen(connection, PAGES)
    assert not connection.in_transaction
    away.rename(log)
