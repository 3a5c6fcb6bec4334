import pytest

from waypost.store.books import DataError, Filters, Retention
from waypost.store.sqlite.engine import SqliteEngine
from waypost.store.sqlite.folder import DATABASE


def test_a_snapshot_does_not_see_what_is_written_meanwhile(folder):
    engine = SqliteEngine(folder)
    writing = engine.open_writer(Retention(), lambda: 1)
    reading = engine.open_reader()
    count = "SELECT count(*) FROM users"
    with reading.snapshot():
        assert reading.sql.value(count) == 0
        writing.scribe.sql.run("INSERT INTO users (name, created_at) VALUES ('ada', 1)")
        assert reading.sql.value(count) == 0
    with reading.snapshot():
        assert (reading.sql.value(count), reading.calls(), reading.newest(Filters(), 5)) == (1, 0, [])
    reading.close()
    writing.scribe.close()


def test_a_file_that_is_no_database_has_no_version(folder):
    (folder / DATABASE).write_bytes(b"no database, whatever it is" * 100)
    with pytest.raises(DataError, match="damaged or not ours"):
        SqliteEngine(folder).versions()
