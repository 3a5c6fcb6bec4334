import pytest
from money_rows import COST, write_call
from sample_bills import START_MS

from waypost.store import rollup
from waypost.store.rollup import Rollup, recounted, rolled_to


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(rollup, "STEP_CALLS", 3)
    monkeypatch.setattr(rollup, "BEHIND_CALLS", 2)
    monkeypatch.setattr(rollup, "LATE_TOGETHER", 2)


def summed(sql) -> tuple[int, int]:
    return sql.row("SELECT coalesce(sum(requests), 0), coalesce(sum(charge), 0) FROM usage_days")


def late(sql) -> list[int]:
    return [number for (number,) in sql.rows("SELECT id FROM usage_late ORDER BY id")]


def test_calls_are_put_into_the_sums_some_way_behind_the_newest(sql):
    numbers = [write_call(sql, START_MS + n) for n in range(4)]
    made = Rollup(sql)
    assert not made.step()
    numbers.append(write_call(sql, START_MS + 4))
    assert made.step()
    assert (made.rolled_to, summed(sql)) == (numbers[2], (3, 3 * COST))
    assert not made.step()
    assert Rollup(sql).rolled_to == rolled_to(sql) == numbers[2]


def test_a_call_that_is_open_then_is_counted_when_it_has_ended(sql):
    numbers = [write_call(sql, START_MS + n, state=0 if n < 2 else 1) for n in range(5)]
    made = Rollup(sql)
    assert made.step()
    assert (summed(sql), late(sql)) == ((1, COST), numbers[:2])
    assert not made.step()
    sql.run("UPDATE calls SET state = 1 WHERE state = 0")
    assert made.step()
    assert (summed(sql), late(sql)) == ((3, 3 * COST), [])


def test_a_call_that_comes_late_is_noted_and_counted_later(sql):
    for n in range(5):
        write_call(sql, START_MS + 10 * n)
    made = Rollup(sql)
    assert made.step()
    numbers = [write_call(sql, START_MS + 1), write_call(sql, START_MS + 99)]
    made.note_late(numbers)
    made.note_late(numbers)
    assert late(sql) == numbers[:1]
    assert not made.step()
    made.note_late([write_call(sql, START_MS + 2)])
    assert made.step()
    assert (summed(sql), late(sql)) == ((5, 5 * COST), [])


def test_before_calls_are_deleted_their_sums_are_kept(sql):
    numbers = [write_call(sql, START_MS + n) for n in range(2)]
    made = Rollup(sql)
    with sql.savepoint():
        made.before_deleting(numbers[0])
    assert (summed(sql), made.rolled_to) == ((1, COST), numbers[0])
    assert sql.row("SELECT rolled_to, deleted_to FROM usage_state") == (numbers[0], numbers[0])
    with sql.savepoint():
        made.before_deleting(numbers[0])
    assert summed(sql) == (1, COST)


def test_what_is_changed_later_is_counted_anew_whether_summed_or_not(sql):
    numbers = [write_call(sql, START_MS + n) for n in range(5)]
    made = Rollup(sql)
    made.step()
    for number in (numbers[0], numbers[4]):
        with recounted(sql, number):
            sql.run("UPDATE calls SET charge_nano_usd = 1 WHERE id = :id", {"id": number})
    assert summed(sql) == (3, 2 * COST + 1)
    made.note_late([write_call(sql, START_MS, id=numbers[0] + 1)])
    with recounted(sql, numbers[0] + 1):
        sql.run("UPDATE calls SET charge_nano_usd = 1 WHERE id = :id", {"id": numbers[0] + 1})
    assert summed(sql) == (3, 2 * COST + 1)
