import logging

import psycopg
import pytest

from waypost.store.books import DataError
from waypost.store.postgres.opening import Database, lock_holder, take_lock


def test_the_writer_is_as_durable_as_we_say(database, postgres):
    postgres.execute("ALTER ROLE postgres SET synchronous_commit = off")
    writer = database.open_writer()
    assert writer.execute("SHOW synchronous_commit").fetchone() == ("on",)
    writer.close()
    postgres.execute("ALTER ROLE postgres RESET synchronous_commit")


def test_a_server_that_forgets_what_it_wrote_is_warned_of(database, caplog):
    with caplog.at_level(logging.WARNING):
        database.open_writer().close()
    assert "fsync = off" in caplog.text


def test_readers_cannot_write(database):
    database.open_writer().close()
    reader = database.open_reader()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), reader.transaction():
        reader.execute("INSERT INTO users (name, created_at) VALUES ('eve', 1)")
    reader.close()


def test_the_one_that_writes_is_known_by_name_until_it_hangs_up(database):
    writer, other = database.open_writer(), database.connect()
    assert not take_lock(other)
    assert lock_holder(other) == (writer.info.backend_pid, database.name)
    writer.close()
    while not take_lock(other):
        pass
    other.close()


def test_each_schema_has_one_that_writes(postgres, database, postgres_database):
    postgres.execute("CREATE SCHEMA second", postgres.name(postgres_database))
    one = database.open_writer()
    two = Database(postgres_database + "&options=-csearch_path%3Dsecond").open_writer()
    for each in (one, two):
        each.close()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgres://ada:geheim@127.0.0.1:1/x", "Connection refused"),
        ("postgres://ada:geheim@/x?host=/nowhere", "No such file"),
        ("postgres://ada@/x?host=/nowhere&password=geheim&geheim=1", "invalid URI query parameter"),
    ],
)
def test_a_database_that_cannot_be_reached_is_said_in_one_line_without_its_password(address, why):
    with pytest.raises(DataError, match=why) as caught:
        Database(address).open_writer()
    assert "geheim" not in caught.value.message.replace("&geheim=1", "")
    assert "\n" not in caught.value.message
    assert "--database" in caught.value.fix


def test_a_database_that_cannot_hold_every_name_is_refused(postgres, database, postgres_database):
    name = postgres.name(postgres_database)
    postgres.execute(f"CREATE DATABASE {name}_ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    with pytest.raises(DataError, match="SQL_ASCII"):
        Database(postgres.address(f"{name}_ascii")).open_writer()
    postgres.execute(f"DROP DATABASE {name}_ascii WITH (FORCE)")
