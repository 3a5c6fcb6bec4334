import time
from pathlib import Path

import apsw
import pytest
from sample_bills import START_MS, Bills

from waypost.store.batch import Batch
from waypost.store.books import Retention
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.identities import tokens
from waypost.store.rollup import COUNTED, SESSIONS_TOGETHER
from waypost.store.sqlite.chores import DAY_MS, DELETE_ROWS, Chores, Pace
from waypost.store.sqlite.log_file import PAGE_BYTES
from waypost.store.sqlite.scribe import Scribe
from waypost.store.sqlite.segments import BEHIND_CALLS, SEGMENT_CALLS
from waypost.store.sqlite.sql import SqliteSql


class Clock:
    now = START_MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def scribe(connection, clock):
    return Scribe(connection, clock)


def write(scribe, bills):
    for start in range(0, len(bills), 512):
        batch = Batch([(bill, None) for bill in bills[start : start + 512]], [], [], [])
        scribe.prepare(batch)
        scribe.write(batch)


def do_all(chores):
    for steps in range(1000):
        if not chores.step():
            return steps
    raise AssertionError("never done")


def count(connection, table="calls"):
    return connection.execute(f"SELECT count(*) FROM {table}").get


def test_enough_calls_become_a_segment_when_nobody_waits(scribe, connection, clock, bills):
    chores = Chores(scribe, Retention(), clock)
    write(scribe, bills.some(SEGMENT_CALLS + BEHIND_CALLS))
    assert not chores.pressing
    do_all(chores)
    assert count(connection, "segments") == 1


def test_old_calls_go_by_age_in_small_steps(scribe, connection, clock, bills):
    chores = Chores(scribe, Retention(age_days_max=30, rows_max=None), clock)
    write(scribe, [*bills.some(DELETE_ROWS * 3), *Bills(START_MS + DAY_MS).some(10)])
    clock.now += 30 * DAY_MS + 3_600_000
    assert do_all(chores) >= 3
    assert count(connection) == 10


def test_calls_over_the_count_go_oldest_first(scribe, connection, clock, bills):
    chores = Chores(scribe, Retention(age_days_max=None, rows_max=100), clock)
    made = bills.some(DELETE_ROWS * 2 + 150)
    write(scribe, made)
    do_all(chores)
    assert count(connection) == 100
    assert connection.execute("SELECT min(id) FROM calls").get == made[-100].id


def test_another_limit_is_kept_to_at_once(scribe, connection, clock, bills):
    chores = Chores(scribe, Retention(None, None), clock)
    write(scribe, bills.some(DELETE_ROWS * 2))
    do_all(chores)
    chores.retention = Retention(None, 7)
    do_all(chores)
    assert count(connection) == 7


def test_without_a_limit_everything_stays(scribe, connection, clock, bills):
    chores = Chores(scribe, Retention(None, None), clock)
    write(scribe, bills.some(300))
    clock.now += 10_000 * DAY_MS
    do_all(chores)
    assert count(connection) == 300


def test_a_tokens_last_use_is_written_once_a_minute_at_most(scribe, connection, clock, bills):
    run_command(Desk(SqliteSql(connection), 1), "user.create", {"name": "ada"})
    token = {"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": ""}
    run_command(Desk(SqliteSql(connection), 1), "token.create", token)
    chores = Chores(scribe, Retention(), clock, Pace(used_seconds=0.0))

    def used_after(bills):
        write(scribe, bills)
        do_all(chores)
        return tokens(SqliteSql(connection))[0].last_used_at

    first = bills.some(1)
    assert used_after(first) == first[0].at_ms
    assert used_after(Bills(START_MS + 59_000).some(1)) == first[0].at_ms
    assert used_after(Bills(START_MS + 61_000).some(1)) == START_MS + 61_000
    write(scribe, Bills(START_MS + 62_000).some(1))
    chores.finish()
    assert tokens(SqliteSql(connection))[0].last_used_at == START_MS + 62_000, "the end forgets nothing"


def test_the_log_is_emptied_when_it_is_long_or_nothing_happens(scribe, connection, clock, bills):
    patient = Chores(scribe, Retention(), clock)
    write(scribe, bills.some(20))
    do_all(patient)
    assert patient._wal_pages > 0, "not at once"
    prompt = Chores(scribe, Retention(), clock, Pace(checkpoint_quiet_seconds=0.0))
    write(scribe, bills.some(1))
    do_all(prompt)
    assert prompt._wal_pages == 0
    log, moved = connection.wal_checkpoint()
    assert log == moved


def test_a_log_is_made_long_before_it_is_needed(scribe, connection, clock, bills):
    chores = Chores(scribe, Retention(), clock, Pace(log_pages=500))
    do_all(chores)
    long = Path(connection.filename_wal).stat().st_size
    assert long == 500 * PAGE_BYTES
    write(scribe, bills.some(500))
    assert Path(connection.filename_wal).stat().st_size == long


def test_a_log_that_cannot_be_made_long_stops_nothing(scribe, connection, clock, bills):
    chores = Chores(scribe, Retention(None, 5), clock, Pace(trouble_seconds=0.0))
    write(scribe, bills.some(30))
    log = Path(connection.filename_wal)
    away = log.rename(log.with_suffix(".away"))
    assert chores.step() is False
    away.rename(log)
    do_all(chores)
    assert count(connection) == 5


def test_a_long_log_presses_even_when_others_wait(scribe, clock, bills):
    chores = Chores(scribe, Retention(), clock, Pace(checkpoint_pages_forced=150))
    write(scribe, bills.some(1))
    assert not chores.pressing
    write(scribe, bills.some(2000))
    assert chores.pressing
    chores.step()
    assert not chores.pressing


def test_retention_presses_when_nobody_ever_rests(scribe, connection, clock, bills):
    write(scribe, bills.some(DELETE_ROWS + 300))
    chores = Chores(scribe, Retention(None, 100), clock, Pace(retention_seconds=60.0, retention_late_seconds=0.1))
    assert not chores.pressing
    time.sleep(0.15)
    assert chores.pressing
    while chores.pressing:
        chores.step()
    assert count(connection) == 100


def test_trouble_is_waited_out_and_what_is_known_is_read_again(scribe, connection, clock, bills, folder):
    chores = Chores(scribe, Retention(age_days_max=None, rows_max=5), clock, Pace(trouble_seconds=0.1))
    write(scribe, bills.some(30))
    connection.set_busy_timeout(0)
    other = apsw.Connection(str(folder / "waypost.db"))
    other.execute("BEGIN IMMEDIATE")
    assert chores.step() is False
    other.execute("ROLLBACK")
    other.close()
    assert chores.step() is False, "it rests a while"
    time.sleep(0.15)
    do_all(chores)
    assert count(connection) == 5


def test_keys_of_calls_are_deleted_when_their_time_is_up(scribe, connection, clock):
    run_command(Desk(scribe.sql, clock()), "user.create", {"name": "ann"})
    claim = {"user": 1, "key": b"k" * 32, "body": b"b" * 32, "call": 7}
    run_command(Desk(scribe.sql, clock()), "keyed.claim", claim)
    do_all(Chores(scribe, Retention(), clock))
    assert count(connection, "keyed_calls") == 1
    clock.now += DAY_MS
    do_all(Chores(scribe, Retention(), clock))
    assert count(connection, "keyed_calls") == 0


def test_sums_by_session_go_with_the_calls_of_their_days_and_other_sums_stay(scribe, clock):
    today = START_MS // DAY_MS
    zeros = ", ".join("0" for _ in COUNTED)
    for day in (today - 2, today - 1, today):
        for number in range(SESSIONS_TOGETHER):
            tagged = f"INSERT INTO usage_sessions VALUES (:day, 1, 1, :tag, {zeros})"
            scribe.sql.run(tagged, {"day": day, "tag": str(number)})
        scribe.sql.run(f"INSERT INTO usage_days VALUES (:day, 1, 1, 1, 'm', 'p', {zeros})", {"day": day})
    do_all(Chores(scribe, Retention(None, None), clock))
    assert scribe.sql.value("SELECT count(*) FROM usage_sessions") == 3 * SESSIONS_TOGETHER, "kept for ever"
    do_all(Chores(scribe, Retention(1, None), clock))
    days = "SELECT day, count(*) FROM usage_sessions GROUP BY day ORDER BY day"
    assert scribe.sql.rows(days) == [(today - 1, SESSIONS_TOGETHER), (today, SESSIONS_TOGETHER)]
    assert scribe.sql.value("SELECT count(*) FROM usage_days") == 3
