import pytest
from sample_bills import Bills, sample_request

from waypost.store.rows import ACCOUNTS, COLUMNS, NAMED, RowMaker
from waypost.store.sqlite.names import NAMES_KEPT_MAX, TOGETHER_KEPT_MAX, Names

MODEL = COLUMNS.index("model")
bills, maker = Bills(), RowMaker()


@pytest.fixture
def names(connection):
    return Names(connection)


def row(model: str):
    return maker.row(bills.bill(request=sample_request(model)))


def test_a_word_is_written_once_and_known_by_its_number(connection, names):
    first, second, other = (names.numbered([row(model)])[MODEL] for model in ("a/b", "a/b", "c/d"))
    assert first == second != other
    assert Names(connection).numbered([row("a/b")])[MODEL] == first, "after a restart too"
    words = connection.execute("SELECT text FROM names WHERE kind = ?", (NAMED.index("model"),)).fetchall()
    assert words == [("a/b",), ("c/d",)]


def test_rows_become_their_values_one_after_the_other(names):
    made = [row("a/b"), list(row("c/d")), row("a/b")]
    values = names.numbered(made)
    width = len(COLUMNS)
    assert len(values) == 3 * width
    models = values[MODEL::width]
    assert models[0] == models[2] != models[1]
    for place, one in enumerate(made):
        numbered = values[place * width : (place + 1) * width]
        kept = [column for column in range(width) if COLUMNS[column] not in NAMED + ACCOUNTS]
        assert [numbered[column] for column in kept] == [one[column] for column in kept]
        assert [numbered[column] is None for column in range(width)] == [value is None for value in one[:width]]


def test_words_of_a_transaction_that_was_undone_are_not_known(connection, names):
    connection.execute("BEGIN")
    names.numbered([row("a/b")])
    connection.execute("ROLLBACK")
    names.forget_fresh()
    number = names.numbered([row("a/b")])[MODEL]
    assert connection.execute("SELECT text FROM names WHERE id = ?", (number,)).get == "a/b"


def test_deleted_words_get_a_new_number(connection, names):
    names.numbered([row("a/b")])
    connection.execute("DELETE FROM names")
    names.forget([(NAMED.index("model"), "a/b")])
    number = names.numbered([row("a/b")])[MODEL]
    assert connection.execute("SELECT text FROM names WHERE id = ?", (number,)).get == "a/b"


def test_words_from_outside_do_not_fill_the_memory(connection, names):
    with connection:
        for number in range(NAMES_KEPT_MAX + 10):
            names._look_up(NAMED.index("session"), f"s{number}")
    assert len(names._known[NAMED.index("session")]) <= NAMES_KEPT_MAX
    one = list(row("a/b"))
    with connection:
        for number in range(TOGETHER_KEPT_MAX + 10):
            one[COLUMNS.index("session")] = f"s{number}"
            names.numbered([one])
    assert len(names._together) <= TOGETHER_KEPT_MAX
