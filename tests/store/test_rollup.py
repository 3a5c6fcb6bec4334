import pytest
from money_rows import COST, write_call
from sample_bills import START_MS, Bills

from waypost.store import rollup
from waypost.store.batch import Batch
from waypost.store.books import Retention
from waypost.store.engines import engine_of
from waypost.store.folder_lock import FolderLock
from waypost.store.rollup import Rollup, keep_sums, recounted, rolled_to
from waypost.store.usage import Wanted, usage


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
        keep_sums(sql, numbers[0])
    made.reload()
    assert (summed(sql), made.rolled_to) == ((1, COST), numbers[0])
    assert sql.row("SELECT rolled_to, deleted_to FROM usage_state") == (numbers[0], numbers[0])
    with sql.savepoint():
        keep_sums(sql, numbers[0])
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


def test_while_nobody_knows_how_far_it_came_every_call_may_be_late(sql):
    made = Rollup(sql)
    made.doubt()
    first = write_call(sql, START_MS)
    made.note_late([first])
    assert late(sql) == [first]
    assert usage(sql, Wanted()).total.requests == 1
    for n in range(1, 6):
        write_call(sql, START_MS + n)
    assert made.step()
    assert (summed(sql)[0], usage(sql, Wanted()).total.requests) == (2, 6)


@pytest.fixture
def writing(folder, database):
    """A write connection with its chores, which keep a hundred waybills."""
    lock = FolderLock(folder)
    lock.take()
    made = engine_of(folder, database).open_writer(Retention(None, 100), lambda: START_MS)
    yield made
    made.scribe.close()
    lock.release()


def file(scribe, bills):
    batch = Batch([(bill, None) for bill in bills], [], [], [])
    scribe.prepare(batch)
    scribe.write(batch)


def do_all(chores):
    for _ in range(1000):
        if not chores.step():
            return
    raise AssertionError("there is no end to it")


def test_chores_put_calls_into_the_sums_and_retention_takes_none_out_of_them(writing, monkeypatch):
    monkeypatch.setattr(rollup, "STEP_CALLS", 64)
    scribe, chores = writing
    bills = Bills().some(400)
    late_ones = bills[10:20]
    file(scribe, bills[:10] + bills[20:])
    do_all(chores)
    assert scribe.sql.value("SELECT count(*) FROM calls") == 100
    assert scribe.rollup.rolled_to >= bills[299].id
    file(scribe, late_ones)
    assert late(scribe.sql) == [bill.id for bill in late_ones]
    assert usage(scribe.sql, Wanted()).total.requests == 400
    file(scribe, Bills(START_MS + 9_000).some(20))
    writing.chores.retention = Retention(None, 50)
    do_all(chores)
    assert usage(scribe.sql, Wanted()).total.requests == 420
    assert usage(scribe.sql, Wanted(by=("day",))).groups[0].sums.requests == 420
