import psycopg
import pytest

from waypost.store.postgres.arrays import ManyRows, array, types_of

ODD = ["", "a", 'with "quotes"', "back\\slash", "{},NULL", "null", " spaces ", "ä 漢 🙂", "line\nbreak", "'"]


@pytest.fixture
def connection(postgres_database):
    with psycopg.connect(postgres_database, autocommit=True) as made:
        yield made


def back(connection, kind, values):
    return connection.execute(f"SELECT %s::{kind}[]", (array(kind, values),)).fetchone()[0]


def test_texts_come_back_as_they_were(connection):
    assert back(connection, "text", [*ODD, None]) == [*ODD, None]


def test_bytes_and_integers_come_back_as_they_were(connection):
    assert back(connection, "bytea", [b"", bytes(range(256)), None]) == [b"", bytes(range(256)), None]
    assert back(connection, "bigint", [0, -1, (1 << 63) - 1, -(1 << 63), None, True]) == [
        0, -1, (1 << 63) - 1, -(1 << 63), None, 1,
    ]  # fmt: skip
    assert back(connection, "bigint", []) == []


def test_a_nul_that_postgres_cannot_hold_becomes_a_mark():
    assert array("text", ["a\0b"]) == '{"a\N{REPLACEMENT CHARACTER}b"}'


@pytest.mark.parametrize(("kind", "value"), [("bigint", "1},{2"), ("bigint", 1.5), ("text", 7), ("bytea", "x")])
def test_what_is_of_another_type_never_gets_into_a_literal(kind, value):
    with pytest.raises((TypeError, AttributeError)):
        array(kind, [value])


def test_many_rows_go_in_with_one_statement_of_a_fixed_text(connection):
    connection.execute("CREATE TABLE things (id bigint, name text, data bytea)")
    many = ManyRows("things", ("id", "name", "data"), ("bigint", "text", "bytea"))
    rows = [(number, f"name {number}", b"x" * number) for number in range(500)]
    connection.execute(many.statement, many.values(rows))
    connection.execute(many.statement, many.values([(500, None, None)]))
    assert connection.execute("SELECT * FROM things ORDER BY id").fetchall() == [*rows, (500, None, None)]


def test_types_are_those_of_the_first_values_that_are_some():
    assert types_of([(1, None, None, b""), (2, "x", None, b"")]) == ["bigint", "text", None, "bytea"]
