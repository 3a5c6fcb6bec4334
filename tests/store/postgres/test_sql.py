"""What Postgres' side of the seam does with Postgres' errors; the rest is in `store/test_sql.py`, on every engine."""

import psycopg
import pytest

from waypost.store.postgres.sql import percent_names, translated
from waypost.store.sql import EngineTrouble, TryAgain, Unstorable


@pytest.mark.parametrize(
    ("statement", "written"),
    [
        ("SELECT :a, :b_2", "SELECT %(a)s, %(b_2)s"),
        ("SELECT ':a', 'it''s :b', :c", "SELECT ':a', 'it''s :b', %(c)s"),
        ("SELECT :a::bigint", "SELECT %(a)s::bigint"),
        ("SELECT 7 % :a LIKE '%x'", "SELECT 7 %% %(a)s LIKE '%%x'"),
    ],
)
def test_names_are_written_as_the_driver_wants_them(statement, written):
    assert percent_names(statement) == written


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (psycopg.errors.UniqueViolation, Unstorable),
        (psycopg.errors.NumericValueOutOfRange, Unstorable),
        (psycopg.errors.DiskFull, TryAgain),
        (psycopg.errors.AdminShutdown, TryAgain),
        (psycopg.errors.LockNotAvailable, TryAgain),
        (psycopg.errors.ReadOnlySqlTransaction, TryAgain),
        (psycopg.InterfaceError, TryAgain),
        (psycopg.errors.DataCorrupted, EngineTrouble),
        (psycopg.errors.SyntaxError, psycopg.errors.SyntaxError),
    ],
)
def test_each_error_means_one_thing(error, meaning):
    with pytest.raises(meaning) as caught, translated():
        raise error("why")
    assert type(caught.value) is meaning
    assert "why" in str(caught.value)


def test_what_rows_hold_is_not_in_the_message(postgres_database):
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE things (name text UNIQUE)")
        connection.execute("INSERT INTO things VALUES ('secret')")
        with pytest.raises(Unstorable) as caught, translated():
            connection.execute("INSERT INTO things VALUES ('secret')")
    assert str(caught.value) == 'duplicate key value violates unique constraint "things_name_key"'
