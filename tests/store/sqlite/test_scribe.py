import apsw
import pytest
from failing_disk import failing_disk
from sample_bills import START_MS, Bills, sample_request

from waypost.domain.problems import Refusal
from waypost.store.batch import Batch, Order, Sheet
from waypost.store.books import STRANGERS_MAX
from waypost.store.folder_lock import FolderLock
from waypost.store.identities import tokens
from waypost.store.rows import COLUMNS, RowMaker, stranger_row
from waypost.store.sql import OutcomeUnknown, TryAgain
from waypost.store.sqlite.folder import open_writer
from waypost.store.sqlite.scribe import Scribe

CREATE = Order("user.create", {"name": "ada"}, None)


@pytest.fixture
def scribe(connection):
    return Scribe(connection, lambda: START_MS)


def batch_of(bills=(), orders=(), strangers=(), sheets=()):
    return Batch([(bill, None) for bill in bills], list(sheets), list(orders), list(strangers))


def write(scribe, batch):
    scribe.prepare(batch)
    scribe.write(batch)
    return batch


def ids(connection):
    return [number for (number,) in connection.execute("SELECT id FROM calls ORDER BY id")]


def test_a_batch_is_one_transaction_of_few_statements(scribe, connection, bills):
    write(scribe, batch_of(bills.some(1)))
    seen = []
    connection.exec_trace = lambda _cursor, sql, _bindings: seen.append(sql) or True
    write(scribe, batch_of(bills.some(64)))
    connection.exec_trace = None
    assert [sql.split()[0] for sql in seen if "SAVEPOINT" not in sql.upper()] == ["BEGIN", "INSERT", "COMMIT"]


def test_own_waybills_and_workers_rows_are_written_together(scribe, connection, bills):
    own, theirs = bills.some(3), Bills(START_MS + 50, writer=3).some(2)
    maker = RowMaker()
    sheet = Sheet([list(maker.row(bill)) for bill in theirs], [stranger_row(bills.bare(code="token_unknown"))], None)
    write(scribe, batch_of(own, sheets=[sheet], strangers=[bills.bare(code="token_missing")]))
    assert ids(connection) == sorted(bill.id for bill in [*own, *theirs])
    assert connection.execute("SELECT code FROM strangers ORDER BY slot").fetchall() == [
        ("token_missing",),
        ("token_unknown",),
    ]


def test_a_waybill_that_cannot_be_written_does_not_take_the_others_with_it(scribe, connection, bills):
    good, unmakeable, outside, huge = bills.bill(), bills.bill(), bills.bill(), bills.bill()
    unmakeable.ms = "long"
    outside.charge_nano_usd = -5
    huge.charge_nano_usd = 2**70
    batch = write(scribe, batch_of([unmakeable, good, outside, huge], orders=[CREATE]))
    assert ids(connection) == [good.id]
    assert set(batch.problems) == {unmakeable.id, outside.id, huge.id}
    assert {problem.code for problem in batch.problems.values()} == {"internal_error"}
    assert batch.results[0].name == "ada"


def test_words_of_a_batch_that_begins_anew_are_written_all_the_same(scribe, connection, bills):
    good, bad = bills.bill(request=sample_request("new/one")), bills.bill()
    bad.charge_nano_usd = -5
    write(scribe, batch_of([good, bad]))
    later = bills.bill(request=sample_request("new/one"))
    write(scribe, batch_of([later]))
    models = "SELECT text FROM calls JOIN names ON names.id = model WHERE calls.id IN (?, ?)"
    assert connection.execute(models, (good.id, later.id)).fetchall() == [("new/one",), ("new/one",)]


def test_words_that_no_table_takes_are_one_waybills_trouble(scribe, connection, bills):
    odd, good = bills.bill(served_by="\ud800"), bills.bill()
    batch = write(scribe, batch_of([odd, good]))
    assert ids(connection) == [good.id]
    assert set(batch.problems) == {odd.id}


def test_a_number_that_is_there_already_is_not_written_over(scribe, connection, bills):
    first = bills.bill()
    write(scribe, batch_of([first]))
    again = write(scribe, batch_of([first, bills.bill()]))
    assert set(again.problems) == {first.id}
    assert len(ids(connection)) == 2


def test_a_command_that_fails_takes_nothing_else_with_it(scribe, connection, bills):
    batch = write(scribe, batch_of(bills.some(1), orders=[CREATE, CREATE, Order("user.create", {"name": "bob"}, None)]))
    assert isinstance(batch.results[1], Refusal)
    assert [change.value.name for change in batch.changes] == ["ada", "bob"]
    assert len(ids(connection)) == 1


def test_a_bug_in_a_command_harms_nobody_else(scribe, connection, bills):
    odd = Order("user.create", {"name": "ada", "preferences": None, "email": "\ud800"}, None)
    batch = write(scribe, batch_of(bills.some(1), orders=[odd, CREATE]))
    assert batch.results[0].code in ("internal_error", "invalid_request")
    assert batch.results[1].name == "ada"
    assert len(ids(connection)) == 1


def test_changes_of_other_processes_are_noticed_once(scribe, folder):
    assert scribe.news() == []
    other = apsw.Connection(str(folder / "waypost.db"))
    other.execute("INSERT INTO users (name, created_at) VALUES ('eve', 1)")
    other.execute("INSERT INTO changes (at_ms, subject, subject_id) VALUES (1, 'user', 1)")
    assert [change.value.name for change in scribe.news()] == ["eve"]
    assert scribe.news() == []
    other.close()


def test_the_ring_of_strangers_holds_the_newest(scribe, connection, bills):
    made = [bills.bare(code="token_unknown", status=401) for _ in range(STRANGERS_MAX + 7)]
    for start in range(0, len(made), 1000):
        write(scribe, batch_of(strangers=made[start : start + 1000]))
    kept = {number for (number,) in connection.execute("SELECT id FROM strangers")}
    assert kept == {bill.id for bill in made[7:]}


def test_the_ring_goes_on_where_it_was_after_a_restart(scribe, connection, bills):
    made = [bills.bare(code="token_unknown", status=401) for _ in range(STRANGERS_MAX + 3)]
    write(scribe, batch_of(strangers=made[:5]))
    write(Scribe(connection, lambda: 1), batch_of(strangers=made[5:-3]))
    write(Scribe(connection, lambda: 1), batch_of(strangers=made[-3:]))
    kept = {number for (number,) in connection.execute("SELECT id FROM strangers")}
    assert kept == {bill.id for bill in made[3:]}


def test_who_was_seen_is_remembered_by_token(scribe, bills):
    bill = write(scribe, batch_of(bills.some(2))).bills[-1][0]
    assert scribe.used == {1: bill.id}
    assert tokens(scribe.sql) == []


def test_a_row_is_narrow(scribe, connection, bills):
    """Without the trail, under 400 bytes; measured as SQLite stores it."""
    long = sample_request("publisher/" + "m" * 60, session_tag="s" * 64)
    write(scribe, batch_of(bills.some(500, request=long)))
    payload = connection.execute("SELECT sum(payload) FROM dbstat WHERE name = 'calls'").get
    trails = connection.execute("SELECT sum(length(trail)) FROM calls").get
    width = (payload - trails) / 500
    assert width < 120, f"{width:.0f} bytes; the design allows 400"
    assert len(COLUMNS) == 30


def test_a_full_disk_undoes_the_batch_and_the_same_batch_is_written_later(scribe, connection, bills):
    batch = batch_of(bills.some(200, reply_body=bytes(900)))
    scribe.prepare(batch)
    connection.pragma("max_page_count", connection.pragma("page_count") + 3)
    with pytest.raises(TryAgain):
        scribe.write(batch)
    scribe.roll_back()
    assert ids(connection) == []
    connection.pragma("max_page_count", 1_000_000)
    scribe.write(batch)
    assert len(ids(connection)) == 200
    assert connection.execute("SELECT count(DISTINCT text) FROM names WHERE kind = 1").get == 1


def test_a_sync_that_fails_leaves_the_outcome_unknown(folder, bills):
    with failing_disk() as disk:
        lock = FolderLock(folder)
        lock.take()
        connection = open_writer(folder, lock)
        scribe = Scribe(connection, lambda: START_MS)
        write(scribe, batch_of(bills.some(1)))
        assert disk.syncs >= 1, "a commit is synced"
        batch = batch_of(bills.some(1))
        scribe.prepare(batch)
        disk.sync_error = apsw.IOError
        with pytest.raises(OutcomeUnknown):
            scribe.write(batch)
        disk.sync_error = None
        connection.close()
        lock.release()
