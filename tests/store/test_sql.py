"""What every engine's side of the seam must do."""

import pytest

from waypost.store.sql import Unstorable

ADD = "INSERT INTO things (id, name) VALUES (:id, :name) RETURNING id"


@pytest.fixture
def things(sql):
    sql.run("CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL, amount BIGINT CHECK (amount < 1000000))")
    return sql


def names(sql):
    return [name for (name,) in sql.rows("SELECT name FROM things ORDER BY id")]


def add_and_fail(sql, number):
    with sql.savepoint():
        sql.run(ADD, {"id": number, "name": "undone"})
        raise ZeroDivisionError


def test_values_go_in_by_name_and_rows_come_out_as_tuples(things):
    assert things.value(ADD, {"id": 1, "name": "one"}) == 1
    assert things.value(ADD, {"id": 2, "name": "two"}) == 2
    assert things.rows("SELECT id, name FROM things ORDER BY id") == [(1, "one"), (2, "two")]
    assert things.row("SELECT name FROM things WHERE id = :id", {"id": 2}) == ("two",)


def test_what_is_not_there_is_none(things):
    assert things.row("SELECT name FROM things WHERE id = :id", {"id": 9}) is None
    assert things.value("SELECT name FROM things WHERE id = :id", {"id": 9}) is None


def test_a_change_says_how_many_rows_it_touched(things):
    things.run(ADD, {"id": 1, "name": "one"})
    things.run(ADD, {"id": 2, "name": "two"})
    assert things.run("UPDATE things SET name = :name", {"name": "same"}) == 2
    assert things.run("UPDATE things SET name = :name WHERE id = 9", {"name": "none"}) == 0


def test_colons_quotes_and_percents_in_texts_are_only_text(things):
    things.run("INSERT INTO things (id, name) VALUES (:id, '100 % :id ''q''')", {"id": 1})
    assert names(things) == ["100 % :id 'q'"]
    assert things.value("SELECT count(*) FROM things WHERE name LIKE '%:id%'") == 1
    assert things.value("SELECT 7 % :by", {"by": 4}) == 3


def test_numbers_are_64_bits_wide_wherever_they_meet(things):
    big = 3_000_000_000
    assert things.value("SELECT :a * :b", {"a": 30_000, "b": 30_000}) == 900_000_000
    assert things.value("SELECT :a * :b", {"a": 100_000, "b": 100_000}) == 10_000_000_000
    assert things.value("SELECT :a + 1", {"a": (1 << 62)}) == (1 << 62) + 1
    things.insert("things", ("id", "name", "amount"), [(big, "a", 1), (big + 1, "b", None)])
    total = things.value("SELECT sum(id) FROM things")
    assert (total, type(total)) == (2 * big + 1, int)


def test_flags_are_numbers_and_bytes_stay_bytes(things):
    assert things.row("SELECT :yes + 0, :no + 0", {"yes": True, "no": False}) == (1, 0)
    things.run("CREATE TABLE blobs (data {})".format("BYTEA" if "Postgres" in type(things).__name__ else "BLOB"))
    things.run("INSERT INTO blobs VALUES (:data)", {"data": bytes(range(256))})
    assert things.value("SELECT data FROM blobs") == bytes(range(256))


def test_nothing_leaves_a_field_as_it_is(things):
    things.run(ADD, {"id": 1, "name": "one"})
    things.run(
        "UPDATE things SET name = coalesce(:name, name), amount = coalesce(:amount, amount)",
        {"name": None, "amount": 5},
    )
    assert things.row("SELECT name, amount FROM things") == ("one", 5)


def test_many_rows_go_in_and_a_conflict_is_settled_as_said(things):
    rows = [(number, f"name {number}", None) for number in range(300)]
    things.insert("things", ("id", "name", "amount"), rows)
    things.insert("things", ("id", "name"), [(7, "seven"), (300, "new")], "(id) DO UPDATE SET name = excluded.name")
    assert things.value("SELECT count(*) FROM things") == 301
    assert names(things)[7] == "seven"
    things.insert("things", ("id", "name"), [])


def test_a_savepoint_undoes_what_failed_and_keeps_what_was_before(things):
    things.run(ADD, {"id": 1, "name": "kept"})
    with pytest.raises(ZeroDivisionError):
        add_and_fail(things, 2)
    assert names(things) == ["kept"]


def test_a_savepoint_may_stand_in_another(things):
    with things.savepoint():
        things.run(ADD, {"id": 1, "name": "outer"})
        with pytest.raises(ZeroDivisionError):
            add_and_fail(things, 2)
        things.run(ADD, {"id": 3, "name": "after"})
    assert names(things) == ["outer", "after"]


@pytest.mark.parametrize(
    "values",
    [{"id": 1, "name": "again"}, {"id": 2, "name": None}, {"id": 1 << 63, "name": "too wide"}],
    ids=["twice", "missing", "too wide"],
)
def test_what_a_table_does_not_take_is_said_so_and_a_savepoint_goes_on(things, values):
    things.run(ADD, {"id": 1, "name": "one"})
    with things.savepoint():
        with pytest.raises((Unstorable, OverflowError)), things.savepoint():
            things.run(ADD, values)
        things.run(ADD, {"id": 5, "name": "five"})
    assert names(things) == ["one", "five"]
