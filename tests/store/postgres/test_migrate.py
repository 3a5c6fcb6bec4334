import psycopg
import pytest

from waypost.store.books import DataError
from waypost.store.migrations import Migration
from waypost.store.postgres.migrate import data_version, known_migrations, migrate, refuse_other_version

ONE = Migration(1, "CREATE TABLE things (id bigint PRIMARY KEY); INSERT INTO things VALUES (1)")
TWO = Migration(2, "ALTER TABLE things ADD COLUMN name text NOT NULL DEFAULT 'x'")
BAD = Migration(2, "ALTER TABLE things ADD COLUMN name text; CREATE TABLE things (id bigint)")


@pytest.fixture
def connection(postgres_database):
    with psycopg.connect(postgres_database, autocommit=True) as made:
        yield made


def rows(connection):
    return connection.execute("SELECT * FROM things").fetchall()


def test_an_empty_database_gets_every_migration_and_each_once(connection):
    assert data_version(connection) == 0
    migrate(connection, "here")
    assert data_version(connection) == known_migrations()[-1].number
    migrate(connection, "here")
    refuse_other_version(connection, "here")


def test_older_data_is_brought_forward_with_everything_in_it(connection):
    migrate(connection, "here", [ONE])
    migrate(connection, "here", [ONE, TWO])
    assert (data_version(connection), rows(connection)) == (2, [(1, "x")])


def test_a_migration_that_fails_leaves_the_data_alone(connection):
    migrate(connection, "here", [ONE])
    with pytest.raises(DataError, match=r"could not be brought to version 2: .*already exists\. Nothing was changed\."):
        migrate(connection, "here", [ONE, BAD])
    assert (data_version(connection), rows(connection)) == (1, [(1,)])


def test_a_database_of_somebody_elses_is_left_alone(connection):
    connection.execute("CREATE TABLE users (id bigint)")
    with pytest.raises(DataError, match="Name a database that holds nothing else"):
        migrate(connection, "here")
    assert connection.execute("SELECT to_regclass('migrations'), to_regclass('tokens')").fetchone() == (None, None)


def test_data_of_another_version_is_neither_written_nor_read(connection):
    migrate(connection, "here", [ONE])
    connection.execute("INSERT INTO migrations VALUES (99, 1)")
    with pytest.raises(DataError, match="written by a newer Waypost"):
        migrate(connection, "here")
    with pytest.raises(DataError, match="written by a newer Waypost"):
        refuse_other_version(connection, "here")
    connection.execute("DELETE FROM migrations WHERE number > 1")
    with pytest.raises(DataError, match="it brings the data forward"):
        refuse_other_version(connection, "here")
