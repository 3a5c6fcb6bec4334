import pytest

from waypost.store.standing import Standing, credits_key, included_id, spending_key, spending_period


@pytest.fixture
def standing(sql):
    sql.run("INSERT INTO accounts (name, posted, floor) VALUES ('user:1', 70, -30), ('provider:alpha', 9, 0)")
    for period in (202509, 202512, 202601):
        sql.run("INSERT INTO spending (subject, period, used) VALUES ('token:9', :period, 5)", {"period": period})
    return Standing(sql, 202601)


def test_credits_begin_with_what_is_posted_and_their_own_limit(standing):
    assert standing.begin(credits_key("user:1")) == (-70, 30)
    assert standing.begin(credits_key("user:2")) == (0, 0)


def test_spending_begins_with_this_months_and_the_last_ones(standing):
    found = [standing.begin(spending_key("token:9", period)) for period in (202509, 202512, 202601, 202602)]
    assert found == [(0, None), (5, None), (5, None), (0, None)]


def test_included_credits_are_given_once_a_month(standing, sql):
    given = []
    key = credits_key("user:1")
    assert standing.touched(key) == 0, "nobody said that any are included"
    standing.included, standing.give = lambda account, period: 40, lambda *what: given.append(what)
    assert [standing.touched(key), standing.touched(key), standing.touched(spending_key("user:1", 202601))] == [
        40,
        0,
        0,
    ]
    assert given == [("user:1", 202601, 40)]
    assert [standing.written("user:1", 202601), standing.written("user:1", 202601)] == [40, 0]
    standing.turn_month(202602)
    assert standing.touched(key) == 40


def test_what_was_included_before_a_restart_is_not_given_again(sql):
    insert = (
        "INSERT INTO transfers (at_ms, kind, debit, credit, amount, outside_id) VALUES (1, 'included', 1, 2, 5, :id)"
    )
    sql.run(insert, {"id": included_id("user:1", 202601)})
    standing = Standing(sql, 202601)
    standing.included, standing.give = lambda account, period: 40, lambda *what: None
    assert [standing.touched(credits_key("user:1")), standing.touched(credits_key("user:2"))] == [0, 40]


def test_a_spending_counter_says_its_month():
    assert spending_period(spending_key("member:3:1", 202601)) == 202601
    assert spending_period(credits_key("user:1")) == 0
