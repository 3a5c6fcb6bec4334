import pytest

from waypost.store.postgres.names import Names
from waypost.store.rows import COLUMNS, FIRST_NAMED, NAMED

MODEL = FIRST_NAMED + NAMED.index("model")


def row(**words):
    return [words.get(name) for name in COLUMNS]


@pytest.fixture
def names(scribe):
    return Names(scribe.session)


def test_a_word_has_one_number_for_ever(names, scribe):
    first, second = names.numbered([row(model="acme/one", code="x"), row(model="acme/one")])
    assert first[MODEL] == second[MODEL] != first[FIRST_NAMED + NAMED.index("code")]
    again = Names(scribe.session).numbered([row(model="acme/one")])
    assert again[0][MODEL] == first[MODEL]


def test_a_word_of_two_kinds_has_two_numbers(names):
    ((numbered),) = names.numbered([row(model="same", provider="same")])
    assert numbered[MODEL] != numbered[FIRST_NAMED + NAMED.index("provider")]


def test_words_that_were_undone_are_learned_again(names, scribe):
    scribe.begin()
    names.numbered([row(model="acme/one")])
    scribe.session.connection.execute("ROLLBACK")
    names.forget()
    names.numbered([row(model="acme/one")])
    assert scribe.sql.rows("SELECT text FROM names") == [("acme/one",)]


def test_a_word_that_was_deleted_is_written_anew(names, scribe):
    names.numbered([row(model="acme/one")])
    scribe.sql.run("DELETE FROM names")
    names.forget([(NAMED.index("model"), "acme/one")])
    names.numbered([row(model="acme/one")])
    assert scribe.sql.value("SELECT count(*) FROM names") == 1


def test_a_word_with_what_postgres_cannot_hold_is_still_a_word(names, scribe):
    names.numbered([row(model="a\0b"), row(model="a\0b")])
    names.numbered([row(model="a\0b")])
    assert scribe.sql.rows("SELECT text FROM names") == [("a\N{REPLACEMENT CHARACTER}b",)]


def test_nothing_is_no_word(names, scribe):
    names.numbered([row()])
    assert scribe.sql.value("SELECT count(*) FROM names") == 0
