from waypost.domain.problems import Refusal
from waypost.store.desk import Desk, invalid


def test_a_change_is_numbered_after_the_one_before(sql):
    desk = Desk(sql, 5)
    desk.changed("user", 7)
    desk.changed("token", 8)
    rows = sql.rows("SELECT at_ms, subject, subject_id FROM changes ORDER BY seq")
    assert rows == [(5, "user", 7), (5, "token", 8)]


def test_a_change_that_is_undone_leaves_no_row(sql):
    desk = Desk(sql, 5)
    try:
        with sql.savepoint():
            desk.changed("user", 7)
            raise ZeroDivisionError
    except ZeroDivisionError:
        desk.changed("user", 8)
    assert sql.rows("SELECT subject_id FROM changes") == [(8,)]


def test_a_wrong_argument_is_a_refusal_that_names_it():
    refusal = invalid("name", "No.", why="because", fix="Another.")
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.param, refusal.why, refusal.fix) == ("invalid_request", "name", "because", "Another.")
