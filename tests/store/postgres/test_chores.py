import pytest
from sample_bills import START_MS, sample_request

from waypost.store.batch import Batch, Order
from waypost.store.books import Retention
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.postgres.chores import CHANGES_KEPT, DAY_MS, DELETE_ROWS, Chores, Pace
from waypost.store.rollup import COUNTED, SESSIONS_TOGETHER

TOKEN = {"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": ""}
AT_ONCE = Pace(retention_seconds=0.0, used_seconds=0.0, trouble_seconds=0.0)


class Clock:
    now = START_MS

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def filed(scribe, bills):
    def some(count, **fields):
        batch = Batch([(bill, None) for bill in bills.some(count, **fields)], [], [], [])
        scribe.prepare(batch)
        scribe.write(batch)

    return some


def do_all(chores):
    for _ in range(1000):
        if not chores.step():
            return
    raise AssertionError("there is no end to it")


def count(scribe, table="calls"):
    return scribe.sql.value(f"SELECT count(*) FROM {table}")


def test_old_waybills_go_a_few_at_a_time(scribe, filed, clock):
    filed(DELETE_ROWS + 10)
    chores = Chores(scribe, Retention(1, None), clock)
    do_all(chores)
    assert count(scribe) == DELETE_ROWS + 10
    clock.now += 3 * DAY_MS
    chores = Chores(scribe, Retention(1, None), clock)
    assert chores.step()
    assert count(scribe) == 10
    do_all(chores)
    assert count(scribe) == 0


def test_too_many_waybills_go_oldest_first_and_new_ones_count(scribe, filed, clock):
    filed(20)
    chores = Chores(scribe, Retention(None, 15), clock, AT_ONCE)
    chores.step()
    assert count(scribe) == 15
    filed(10)
    oldest = scribe.sql.value("SELECT max(id) FROM calls") - 1
    chores.step()
    assert count(scribe) == 15
    assert scribe.sql.value("SELECT max(id) FROM calls") >= oldest


def test_another_limit_is_kept_to_at_once(scribe, filed, clock):
    chores = Chores(scribe, Retention(None, None), clock)
    filed(20)
    do_all(chores)
    chores.retention = Retention(None, 7)
    do_all(chores)
    assert count(scribe) == 7


def test_words_that_no_call_holds_any_more_are_forgotten_and_can_come_back(scribe, filed, clock):
    filed(3, request=sample_request("acme/one", session_tag="gone"))
    filed(3, request=sample_request("acme/one", session_tag="stays"))
    do_all(Chores(scribe, Retention(None, 3), clock))
    words = {text for (text,) in scribe.sql.rows("SELECT text FROM names")}
    assert {"stays", "acme/one"} <= words
    assert "gone" not in words
    filed(1, request=sample_request("acme/one", session_tag="gone"))
    assert scribe.sql.value("SELECT count(*) FROM calls c JOIN names n ON n.id = c.session WHERE n.text = 'gone'") == 1


def test_changes_that_everybody_has_long_seen_go_and_strangers_by_age(scribe, bills, clock):
    scribe.sql.run(
        "INSERT INTO changes (at_ms, subject, subject_id) SELECT 1, 'user', n FROM generate_series(1, :count) n",
        {"count": CHANGES_KEPT + 5},
    )
    batch = Batch([], [], [], [bills.bare(stranger="hf_…", status=401)])
    scribe.prepare(batch)
    scribe.write(batch)
    clock.now += 3 * DAY_MS
    do_all(Chores(scribe, Retention(1, None), clock))
    assert (count(scribe, "changes"), count(scribe, "strangers")) == (CHANGES_KEPT, 0)


def test_a_tokens_last_use_is_written_once_a_minute_at_most_and_at_the_end(scribe, filed, bills, clock):
    batch = Batch([], [], [Order("user.create", {"name": "ada"}, None), Order("token.create", TOKEN, None)], [])
    scribe.write(batch)
    chores = Chores(scribe, Retention(None, None), clock, Pace(used_seconds=0.0))
    last_use = "SELECT last_used_at FROM tokens"
    filed(1)
    do_all(chores)
    first = scribe.sql.value(last_use)
    assert first is not None
    filed(1)
    do_all(chores)
    assert scribe.sql.value(last_use) == first
    filed(1)
    chores.finish()
    assert scribe.sql.value(last_use) > first


def test_trouble_in_the_house_is_looked_at_again(scribe, filed, clock, postgres, caplog):
    filed(20)
    chores = Chores(scribe, Retention(None, 5), clock, AT_ONCE)
    postgres.execute(f"SELECT pg_terminate_backend({scribe.session.connection.info.backend_pid}, 5000)")
    assert chores.step() is False
    assert "will be tried again" in caplog.text
    for _ in range(3):
        chores.step()
    assert count(scribe) == 5


def test_keys_of_calls_are_deleted_when_their_time_is_up(scribe, clock):
    run_command(Desk(scribe.sql, clock()), "user.create", {"name": "ann"})
    claim = {"user": 1, "key": b"k" * 32, "body": b"b" * 32, "call": 7}
    run_command(Desk(scribe.sql, clock()), "keyed.claim", claim)
    do_all(Chores(scribe, Retention(), clock))
    assert count(scribe, "keyed_calls") == 1
    clock.now += DAY_MS
    do_all(Chores(scribe, Retention(), clock))
    assert count(scribe, "keyed_calls") == 0


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
