import pytest

from waypost.store.books import Filters, Retention
from waypost.store.postgres.engine import PostgresEngine
from waypost.store.sql import TryAgain


@pytest.fixture
def engine(postgres_database):
    return PostgresEngine(postgres_database)


def test_a_snapshot_does_not_see_what_is_written_meanwhile(engine):
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


def test_a_reading_whose_connection_is_lost_says_so(engine, postgres, postgres_database):
    engine.open_writer(Retention(), lambda: 1).scribe.close()
    reading = engine.open_reader()
    postgres.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE datname = '{postgres.name(postgres_database)}'"
    )
    with pytest.raises(TryAgain), reading.snapshot():
        reading.calls()
    reading.close()
