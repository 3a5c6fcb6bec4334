from __future__ import annotations

import apsw
import pytest

from waypost.store.sqlite.sql import SqliteSql


@pytest.fixture
def sql():
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
    yield SqliteSql(connection)
    connection.close()


ADD = "INSERT INTO things (name) VALUES (:name) RETURNING id"


def add_and_fail(sql, name):
    with sql.savepoint():
        sql.run(ADD, {"name": name})
        raise ZeroDivisionError


def test_values_go_in_by_name_and_rows_come_out_as_tuples(sql):
    assert sql.value(ADD, {"name": "one"}) == 1
    assert sql.value(ADD, {"name": "two"}) == 2
    assert sql.rows("SELECT id, name FROM things ORDER BY id") == [(1, "one"), (2, "two")]
    assert sql.row("SELECT name FROM things WHERE id = :id", {"id": 2}) == ("two",)


def test_what_is_not_there_is_none(sql):
    assert sql.row("SELECT name FROM things WHERE id = :id", {"id": 9}) is None
    assert sql.value("SELECT name FROM things WHERE id = :id", {"id": 9}) is None


def test_a_change_says_how_many_rows_it_touched(sql):
    sql.run(ADD, {"name": "one"})
    sql.run(ADD, {"name": "two"})
    assert sql.run("UPDATE things SET name = :name", {"name": "same"}) == 2
    assert sql.run("UPDATE things SET name = :name WHERE id = 9", {"name": "none"}) == 0


def test_a_savepoint_undoes_what_failed_and_keeps_what_was_before(sql):
    sql.run(ADD, {"name": "kept"})
    with pytest.raises(ZeroDivisionError):
        add_and_fail(sql, "undone")
    assert sql.rows("SELECT name FROM things") == [("kept",)]


def test_a_savepoint_may_stand_in_another(sql):
    with sql.savepoint():
        sql.run(ADD, {"name": "outer"})
        with pytest.raises(ZeroDivisionError):
            add_and_fail(sql, "inner")
    assert sql.rows("SELECT name FROM things") == [("outer",)]
