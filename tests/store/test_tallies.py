from money_rows import COST, settle_call, write_call
from sample_bills import START_MS

from waypost.domain.ledger import period_of
from waypost.store.accounts import account_number
from waypost.store.desk import Desk
from waypost.store.rollup import DAY, DAY_MS, roll_through
from waypost.store.tallies import Charged, days_of_calls, subjects_of, tallies, whole_from
from waypost.store.transfers import Wanted, post

MONTH = period_of(START_MS)


def test_every_entry_is_added_up(sql):
    desk = Desk(sql, START_MS)
    post(desk, Wanted("grant", "granted", "user:1", 1_000_000))
    settle_call(sql, START_MS, overrun_nano_usd=7)
    settle_call(sql, START_MS + 1, account="org:3", user_id=2, token_id=5)
    write_call(sql, START_MS + 2, state=0)
    known = tallies(sql)
    numbers = {name: account_number(sql, name) for name in ("user:1", "org:3", "provider:alpha", "overrun", "granted")}
    assert {name: known.posted[number] for name, number in numbers.items()} == {
        "user:1": 1_000_000 - COST,
        "org:3": -COST,
        "provider:alpha": 2 * COST + 7,
        "overrun": -7,
        "granted": -1_000_000,
    }
    assert known.used == {(numbers["user:1"], MONTH): COST, (numbers["org:3"], MONTH): COST}
    assert known.spent == {
        (subject, MONTH): COST for subject in ("user:1", "token:1", "org:3", "member:3:2", "token:5")
    }


def test_whoever_may_have_a_limit_is_a_subject():
    assert subjects_of(Charged(1, 2, MONTH, 7, 9, 5, 0), "user:7") == ["user:7", "token:9"]
    assert subjects_of(Charged(1, 2, MONTH, 7, 9, 5, 0), "org:3") == ["org:3", "member:3:7", "token:9"]


def test_months_are_whole_from_the_one_after_the_oldest_call_that_was_left(sql):
    assert whole_from(sql) == 0
    write_call(sql, START_MS)
    assert whole_from(sql) == 0
    post(Desk(sql, START_MS), Wanted("carried", "user:1", "provider:alpha", 1))
    assert whole_from(sql) == MONTH + 1
    sql.run("DELETE FROM calls")
    assert whole_from(sql) == MONTH + 1


def test_days_are_compared_where_all_their_calls_are_there(sql):
    for n in range(3):
        last = write_call(sql, START_MS + n * DAY_MS)
    roll_through(sql, 0, last)
    kept, added = days_of_calls(sql)
    first = START_MS // DAY_MS
    assert list(kept) == list(added) == [first, first + 1, first + 2]
    assert kept == added
    sql.run("UPDATE usage_state SET deleted_to = :id", {"id": first * DAY + 1})
    assert list(days_of_calls(sql)[0]) == [first + 1, first + 2]
