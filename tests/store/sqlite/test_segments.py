from array import array

import pytest
from many_calls import fill
from paid_calls import CREDITS, bill_of, end
from purses import Purses, payer
from sample_bills import START_MS, Bills

from waypost.ledger.book import Hold
from waypost.store.batch import Batch
from waypost.store.openings import Opening
from waypost.store.sqlite.postings import descending, field_of, unpack
from waypost.store.sqlite.scribe import Scribe
from waypost.store.sqlite.segments import BEHIND_CALLS, LATE_MAX, SEGMENT_CALLS, Segments


@pytest.fixture
def scribe(connection):
    return Scribe(connection, lambda: START_MS)


def write(scribe, bills):
    for start in range(0, len(bills), 512):
        batch = Batch([(bill, None) for bill in bills[start : start + 512]], [], [], [])
        scribe.prepare(batch)
        scribe.write(batch)


def postings(connection, number):
    """Column → value → ids, as the index tells it."""
    ids = array("q", connection.execute("SELECT ids FROM segment_contents WHERE number = ?", (number,)).get)
    found = {}
    for key, places in connection.execute("SELECT key, places FROM postings WHERE segment = ?", (number,)).fetchall():
        found[(field_of(key), key >> 4)] = sorted(ids[place] for place in descending(unpack(places)))
    return found


def from_rows(connection, number):
    """The same from the rows themselves."""
    columns = ("session", "code", "user_id", "model", "provider", "status", "policy", "outcome")
    found = {}
    rows = connection.execute(
        f"SELECT calls.id, {', '.join(columns)} FROM calls JOIN segments ON calls.id > after AND calls.id <= last"
        " WHERE number = ? ORDER BY calls.id",
        (number,),
    ).fetchall()
    for row in rows:
        for column, value in zip(columns, row[1:], strict=True):
            if value is not None:
                found.setdefault((column, value), []).append(row[0])
    return found


def test_a_segment_says_of_every_value_which_calls_hold_it(connection):
    fill(connection, SEGMENT_CALLS * 2 + BEHIND_CALLS)
    for number in (1, 2):
        told = {key: ids for key, ids in postings(connection, number).items() if key[0] != "token_id"}
        assert told == from_rows(connection, number)


def test_tokens_of_one_name_are_one_token_to_the_index(connection):
    fill(connection, SEGMENT_CALLS + BEHIND_CALLS)
    told = {value: len(ids) for (field, value), ids in postings(connection, 1).items() if field == "token_id"}
    assert set(told) == {1, 2}
    assert sum(told.values()) == SEGMENT_CALLS


def test_the_newest_calls_wait_outside(connection):
    fill(connection, SEGMENT_CALLS * 2)
    segments = Segments(connection)
    assert (segments.indexed, segments.tail, segments.build_due) == (SEGMENT_CALLS, SEGMENT_CALLS, False)
    newest = connection.execute("SELECT max(last) FROM segments").get
    assert segments.indexed_to == newest


def test_late_calls_are_noted_counted_and_put_in_when_there_are_many(scribe, connection):
    early, later = Bills(START_MS), Bills(START_MS + 100_000)
    write(scribe, early.some(SEGMENT_CALLS) + later.some(BEHIND_CALLS))
    segments = scribe.segments
    segments.build()
    late = Bills(START_MS, writer=1).some(LATE_MAX)
    write(scribe, late)
    assert (segments.late, segments.indexed, segments.tail) == (LATE_MAX, SEGMENT_CALLS + LATE_MAX, BEHIND_CALLS)
    assert segments.mend_due
    segments.mend()
    assert (segments.late, segments.mend_due) == (0, False)
    told = {key: ids for key, ids in postings(connection, 1).items() if key[0] != "token_id"}
    assert told == from_rows(connection, 1)
    assert {bill.id for bill in late} <= set(told["user_id", 1])


def test_what_is_in_memory_is_what_a_restart_would_read(scribe, connection):
    early, later = Bills(START_MS), Bills(START_MS + 100_000)
    write(scribe, early.some(SEGMENT_CALLS) + later.some(BEHIND_CALLS))
    scribe.segments.build()
    write(scribe, [*Bills(START_MS, writer=1).some(5), *later.some(7)])
    again = Segments(connection)
    kept = scribe.segments
    assert (again.tail, again.late, again.indexed, again.indexed_to, again.calls) == (
        kept.tail,
        kept.late,
        kept.indexed,
        kept.indexed_to,
        kept.calls,
    )


def test_late_calls_without_a_segment_are_forgotten_rather_than_tried_for_ever(connection):
    segments = Segments(connection)
    connection.execute("INSERT INTO late VALUES (5)")
    segments.reload()
    segments.mend()
    assert (segments.late, connection.execute("SELECT count(*) FROM late").get) == (0, 0)


def test_a_call_that_runs_is_in_no_segment_until_it_has_ended(scribe, connection, bills):
    hold = Hold(Purses(), payer(), 202611, (CREDITS,))
    running = bill_of(bills, hold)
    batch = Batch([], [], [], [], [Opening(running)])
    scribe.prepare(batch)
    scribe.write(batch)
    write(scribe, bills.some(SEGMENT_CALLS + BEHIND_CALLS))
    scribe.segments.build()
    assert scribe.segments.indexed_to > running.id
    indexed = array("q", connection.execute("SELECT ids FROM segment_contents").get)
    assert (len(indexed), running.id in indexed) == (SEGMENT_CALLS, False)
    assert scribe.segments.calls == SEGMENT_CALLS + BEHIND_CALLS
    write(scribe, [end(running, 0)])
    assert connection.execute("SELECT id FROM late").fetchall() == [(running.id,)]
    assert Segments(connection).calls == scribe.segments.calls == SEGMENT_CALLS + BEHIND_CALLS + 1
    scribe.segments.mend()
    assert running.id in array("q", connection.execute("SELECT ids FROM segment_contents").get)
