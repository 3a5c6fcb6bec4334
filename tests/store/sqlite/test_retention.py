import pytest
from sample_bills import START_MS, sample_request

from waypost.domain.requests import first_number_at
from waypost.store.batch import Batch
from waypost.store.rows import NAMED
from waypost.store.sqlite.many_rows import ManyRows
from waypost.store.sqlite.retention import CHANGES_KEPT, Due, delete_old_notes, delete_oldest
from waypost.store.sqlite.scribe import Scribe
from waypost.store.sqlite.segments import BEHIND_CALLS, SEGMENT_CALLS


@pytest.fixture
def scribe(connection):
    return Scribe(connection, lambda: START_MS)


def write(scribe, bills):
    for start in range(0, len(bills), 512):
        batch = Batch([(bill, None) for bill in bills[start : start + 512]], [], [], [])
        scribe.prepare(batch)
        scribe.write(batch)


def count(connection, table):
    return connection.execute(f"SELECT count(*) FROM {table}").get


def test_the_oldest_go_first_and_only_a_few_at_a_time(scribe, connection, bills):
    made = bills.some(30)
    write(scribe, made)
    assert delete_oldest(connection, Due(first_number_at(made[20].at_ms), 0, 8), 1)[0] == 8
    assert delete_oldest(connection, Due(first_number_at(made[20].at_ms), 0, 100), 1)[0] == 12
    assert delete_oldest(connection, Due(first_number_at(made[20].at_ms), 0, 100), 1)[0] == 0
    assert connection.execute("SELECT min(id) FROM calls").get == made[20].id


def test_what_is_over_the_count_goes(scribe, connection, bills):
    write(scribe, bills.some(30))
    assert delete_oldest(connection, Due(0, 7, 100), 1)[0] == 7
    assert count(connection, "calls") == 23


def test_a_segment_goes_when_its_last_call_is_gone(scribe, connection, bills):
    write(scribe, bills.some(SEGMENT_CALLS * 2 + BEHIND_CALLS))
    scribe.segments.build()
    scribe.segments.build()
    delete_oldest(connection, Due(0, SEGMENT_CALLS - 1, SEGMENT_CALLS), 1)
    assert connection.execute("SELECT number, calls FROM segments").fetchall() == [(1, 1), (2, SEGMENT_CALLS)]
    before = count(connection, "postings")
    delete_oldest(connection, Due(0, 1, SEGMENT_CALLS), 1)
    assert connection.execute("SELECT number, calls FROM segments").fetchall() == [(2, SEGMENT_CALLS)]
    assert count(connection, "segment_contents") == 1
    assert count(connection, "postings") == before // 2
    scribe.segments.reload()
    assert scribe.segments.calls == count(connection, "calls")


def test_everything_may_go(scribe, connection, bills):
    write(scribe, bills.some(SEGMENT_CALLS + BEHIND_CALLS))
    scribe.segments.build()
    assert (
        delete_oldest(connection, Due(first_number_at(START_MS + 10**9), 0, 10**6), 1)[0]
        == SEGMENT_CALLS + BEHIND_CALLS
    )
    assert [count(connection, table) for table in ("calls", "segments", "postings", "late")] == [0, 0, 0, 0]


def test_words_that_only_old_calls_held_go_with_them(scribe, connection, bills):
    write(scribe, bills.some(SEGMENT_CALLS - 1, request=sample_request(session_tag="old")))
    write(scribe, bills.some(1, request=sample_request(session_tag="kept")))
    write(scribe, bills.some(BEHIND_CALLS, request=sample_request(session_tag="kept")))
    scribe.segments.build()
    _, gone = delete_oldest(connection, Due(0, SEGMENT_CALLS, SEGMENT_CALLS), 1)
    assert gone == [(NAMED.index("session"), "old")]
    words = {text for (text,) in connection.execute("SELECT text FROM names")}
    assert {"kept", "acme/one", "alpha", "fastest", "user ada"} <= words
    scribe.names.forget(gone)
    write(scribe, bills.some(1, request=sample_request(session_tag="old")))
    told = "SELECT text FROM names WHERE id = (SELECT session FROM calls ORDER BY id DESC LIMIT 1)"
    assert connection.execute(told).get == "old"


def test_old_notes_go_too(connection):
    connection.execute("INSERT INTO strangers (slot, id, status, trail) VALUES (1, 10, 401, x''), (2, 20, 401, x'')")
    changes = ManyRows("INSERT", "changes", ("at_ms", "subject", "subject_id"))
    with connection:
        changes.write(connection, [(1, "user", 1)] * (CHANGES_KEPT + 5))
    delete_old_notes(connection, 15)
    assert connection.execute("SELECT id FROM strangers").fetchall() == [(20,)]
    assert connection.execute("SELECT min(seq), count(*) FROM changes").fetchone() == (6, CHANGES_KEPT)
