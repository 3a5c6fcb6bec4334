import stat

import apsw
import pytest

from waypost.store.books import DataError
from waypost.store.folder_lock import FolderLock
from waypost.store.sqlite.folder import DATABASE, mended, open_reader, open_writer, refuse_unmended


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "3.54.1", "4.0.0", "3.50.7", "3.50.12", "3.44.6"])
def test_a_sqlite_that_keeps_its_commits_is_taken(version):
    assert mended(version)


@pytest.mark.parametrize("version", ["3.40.1", "3.44.5", "3.45.0", "3.50.6", "3.51.0", "3.51.2", "3.6.23"])
def test_a_sqlite_inside_the_wal_reset_bug_is_refused(version):
    with pytest.raises(DataError, match=version):
        refuse_unmended(version)


def test_the_sqlite_we_run_on_is_mended():
    refuse_unmended(apsw.sqlite_lib_version())


def test_the_writer_is_as_durable_as_we_say(connection):
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("foreign_keys") == 1
    assert connection.pragma("wal_autocheckpoint") == 0


def test_every_table_is_strict(connection):
    loose = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict"
    ).fetchall()
    assert [name for (name,) in loose if not name.startswith("sqlite_")] == []


TOKEN = "INSERT INTO tokens (digest, user_id, name, kind, last4, created_at) VALUES "


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users (name, created_at) VALUES ('ada', 'yesterday')",
        "INSERT INTO users (name, created_at, operator) VALUES ('ada', 1, 2)",
        "INSERT INTO users (name, created_at, preferences) VALUES ('ada', 1, 'not json')",
        TOKEN + "(x'00', 1, 'n', 'read', '', 1)",
        TOKEN + "(randomblob(32), 99, 'n', 'read', '', 1)",
        TOKEN + "(randomblob(32), 1, 'n', 'admin', '', 1)",
        "INSERT INTO changes (at_ms, subject, subject_id) VALUES (1, 'weather', 1)",
        "INSERT INTO strangers (slot, id, status, trail) VALUES (10000, 1, 401, x'')",
    ],
)
def test_the_tables_refuse_what_cannot_be(connection, statement):
    connection.execute("INSERT INTO users (id, name, created_at) VALUES (1, 'eve', 1)")
    with pytest.raises(apsw.ConstraintError):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("charge_nano_usd", -1),
        ("charge_nano_usd", 10_000 * 10**9 + 1),
        ("hold_nano_usd", 0.5),
        ("input", -1),
        ("outcome", 5),
        ("status", 1000),
        ("trail", "text"),
        ("id", 0),
    ],
)
def test_a_call_outside_its_ranges_is_refused(connection, column, value):
    good = {"id": 1, "outcome": 1, "status": 200, "flags": 0, "hold_nano_usd": 0, "charge_nano_usd": 0}
    good |= {"gateway_us": 0, "total_us": 0, "trail": b""}
    row = good | {column: value}
    with pytest.raises(apsw.ConstraintError):
        connection.execute(
            f"INSERT INTO calls ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
        )


def test_readers_cannot_write(connection, folder):
    reader = open_reader(folder)
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("INSERT INTO users (name, created_at) VALUES ('ada', 1)")
    reader.close()


def test_readers_leave_checkpoints_to_the_writer(connection, folder):
    connection.execute("INSERT INTO users (name, created_at) VALUES ('ada', 1)")
    log = folder / f"{DATABASE}-wal"
    size = log.stat().st_size
    reader = open_reader(folder)
    assert reader.execute("SELECT name FROM users").get == "ada"
    reader.close()
    assert log.stat().st_size == size > 0


def test_files_are_for_this_user_alone(connection, folder):
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 4, "data, log, index of the log, lock"


def test_a_folder_that_cannot_be_made_is_said_in_one_line(folder):
    (folder / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written.*--data") as caught:
        FolderLock(folder / "file" / "data")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_said_in_one_line(folder):
    (folder / DATABASE).write_bytes(b"not a database, but long enough to be looked at" * 100)
    lock = FolderLock(folder)
    lock.take()
    with pytest.raises(DataError, match="damaged or not ours"):
        open_writer(folder, lock)
    FolderLock(folder).take(0)  # the failed start let go


def test_a_missing_database_is_said_in_one_line(folder):
    with pytest.raises(DataError, match=r"no data in .* yet.*waypost serve"):
        open_reader(folder)


def test_a_folder_in_the_databases_place_is_said_in_one_line(folder):
    (folder / DATABASE).mkdir()
    lock = FolderLock(folder)
    lock.take()
    with pytest.raises(DataError, match="cannot be opened"):
        open_writer(folder, lock)
