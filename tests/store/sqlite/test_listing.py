"""What lists find, against the plain search through every row; and how quickly."""

import random
import time

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many_calls import fill
from sample_bills import START_MS, Bills, sample_caller, sample_request

from waypost.domain.requests import first_number_at, request_id
from waypost.domain.waybill import Outcome
from waypost.store.batch import Batch, Order
from waypost.store.books import Filters
from waypost.store.folder_lock import FolderLock
from waypost.store.sqlite.folder import open_reader, open_writer
from waypost.store.sqlite.listing import newest, wanted
from waypost.store.sqlite.scribe import Scribe
from waypost.store.sqlite.segments import BEHIND_CALLS, SEGMENT_CALLS

MODELS, PROVIDERS, SESSIONS = ("a/b", "c/d", "e/f"), ("alpha", "beta"), (None, "s1", "s2")
USERS = ("ada", "bob")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Segments, late calls, a tail, and the beginning gone: every place that lists look in."""
    folder = tmp_path_factory.mktemp("history")
    lock = FolderLock(folder)
    lock.take()
    connection = open_writer(folder, lock)
    scribe = Scribe(connection, lambda: START_MS)
    for name in USERS:
        order = Order("user.create", {"name": name}, None)
        token = {"user": name, "name": "laptop", "kind": "write", "digest": name.encode() * 10 + b"xx", "last4": ""}
        scribe.write(Batch([], [], [order, Order("token.create", token, None)], []))
    choose = random.Random(3)
    write(scribe, choose, Bills(START_MS), SEGMENT_CALLS * 2 + BEHIND_CALLS)
    scribe.segments.build()
    scribe.segments.build()
    write(scribe, choose, Bills(START_MS + 3, writer=1), 200)
    connection.execute("DELETE FROM calls WHERE id IN (SELECT id FROM calls ORDER BY id LIMIT 100)")
    yield connection
    connection.close()
    lock.release()


def write(scribe, choose, bills, count):
    made = []
    for _ in range(count):
        request = sample_request(choose.choice(MODELS), session_tag=choose.choice(SESSIONS))
        bill = bills.bill(request=request, caller=sample_caller(*choose.choice(list(enumerate(USERS, 1)))))
        bill.served_by = choose.choice(PROVIDERS)
        if choose.random() < 0.1:
            bill.outcome, bill.status, bill.code = Outcome.FAILED, 502, "provider_failed"
        made.append((bill, None))
    for start in range(0, count, 512):
        batch = Batch(made[start : start + 512], [], [], [])
        scribe.prepare(batch)
        scribe.write(batch)


PLAIN = """
  SELECT c.id FROM calls c JOIN users u ON u.id = c.user_id JOIN tokens t ON t.id = c.token_id
  WHERE (?1 IS NULL OR u.name = ?1) AND (?2 IS NULL OR t.name = ?2)
    AND (?3 IS NULL OR c.model = (SELECT id FROM names WHERE kind = 1 AND text = ?3))
    AND (?4 IS NULL OR c.provider = (SELECT id FROM names WHERE kind = 3 AND text = ?4))
    AND (?5 IS NULL OR c.code = (SELECT id FROM names WHERE kind = 4 AND text = ?5))
    AND (?6 IS NULL OR c.session = (SELECT id FROM names WHERE kind = 5 AND text = ?6))
    AND (?7 IS NULL OR c.status = ?7) AND (?8 IS NULL OR c.outcome = ?8)
    AND c.id >= ?9 AND c.id < ?10
  ORDER BY c.id DESC
"""
OUTCOMES = {None: None, Outcome.DELIVERED: 1, Outcome.FAILED: 3, Outcome.LEFT: 4}
maybe_ms = st.none() | st.integers(START_MS - 5, START_MS + SEGMENT_CALLS * 2 + BEHIND_CALLS + 5)
any_filters = st.builds(
    Filters,
    user=st.sampled_from([None, None, *USERS, "nobody"]),
    token=st.sampled_from([None, None, "laptop", "phone"]),
    model=st.sampled_from([None, *MODELS, "x/y"]),
    provider=st.sampled_from([None, *PROVIDERS]),
    code=st.sampled_from([None, None, None, "provider_failed"]),
    session=st.sampled_from(SESSIONS),
    status=st.sampled_from([None, None, 200, 502, 404]),
    outcome=st.sampled_from(list(OUTCOMES)),
    since_ms=maybe_ms,
    until_ms=maybe_ms,
    policy=st.none(),
    before=st.none(),
    limit=st.none(),
)


def plain(connection, filters):
    low = 0 if filters.since_ms is None else first_number_at(filters.since_ms)
    high = (1 << 63) - 1 if filters.until_ms is None else first_number_at(filters.until_ms)
    words = (filters.user, filters.token, filters.model, filters.provider, filters.code, filters.session)
    rows = connection.execute(PLAIN, (*words, filters.status, OUTCOMES[filters.outcome], low, high)).fetchall()
    return [number for (number,) in rows]


def pages(connection, filters, size):
    """Every page, one after the other, as a client turns them."""
    while True:
        found = newest(connection, wanted(connection, filters), size + 1)
        yield found[:size]
        if len(found) <= size:
            return
        filters = filters._replace(before=request_id(found[size - 1]))


@settings(max_examples=60, deadline=None)
@given(any_filters, st.integers(1, 3000))
def test_all_pages_together_are_the_filtered_list(history, filters, size):
    everything = [number for page in pages(history, filters, max(size, 200)) for number in page]
    assert everything == plain(history, filters)


def test_a_page_that_is_not_the_last_is_full(history):
    *full, last = pages(history, Filters(model="a/b", outcome=Outcome.FAILED), 37)
    assert {len(page) for page in full} == {37}
    assert 0 < len(last) <= 37


@pytest.mark.parametrize("before", ["req_", "rubbish", request_id(0)])
def test_before_nothing_there_is_nothing(history, before):
    assert newest(history, wanted(history, Filters(before=before)), 10) == []


def combinations(choose: random.Random, count: int):
    """Popular and rare values of every filter, in any company; many of them fit nothing."""
    choices = {
        "user": ("user1", "user40", "user1999"),
        "token": ("token0",),
        "model": ("acme/model-0", "acme/model-299"),
        "provider": ("provider-3",),
        "outcome": (Outcome.DELIVERED, Outcome.FAILED, Outcome.LEFT),
        "code": ("provider_failed",),
        "status": (200, 502),
        "session": ("session-2",),
        "policy": ("fastest",),
    }
    for _ in range(count):
        names = choose.sample(sorted(choices), choose.randrange(1, 6))
        yield Filters(**{name: choose.choice(choices[name]) for name in names})


@pytest.mark.timeout(600)
def test_any_filters_list_within_50_ms(full, tmp_path, record_property):
    """With `--full` over 5,000,000 calls, which takes 2 GB and a few minutes to make."""
    lock = FolderLock(tmp_path)
    lock.take()
    connection: apsw.Connection = open_writer(tmp_path, lock)
    count = 5_000_000 if full else 40_000
    fill(connection, count)
    connection.close()
    lock.release()
    reader = open_reader(tmp_path)
    for filters in combinations(random.Random(1), 20):
        newest(reader, wanted(reader, filters), 51)  # the file is in memory now, as on a machine in use
    times = []
    for filters in combinations(random.Random(2), 300):
        began = time.process_time()
        newest(reader, wanted(reader, filters), 51)
        times.append((time.process_time() - began) * 1000)
    reader.close()
    slowest = max(times)
    record_property("listing_ms", f"{count:,} calls: median {sorted(times)[150]:.1f}, slowest {slowest:.1f}")
    assert slowest < 50
