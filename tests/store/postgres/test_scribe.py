import pytest

from waypost.store.batch import Batch, Order
from waypost.store.books import STRANGERS_MAX
from waypost.store.sql import EngineTrouble, TryAgain


def write(scribe, bills=(), orders=(), strangers=()):
    batch = Batch([(bill, None) for bill in bills], [], list(orders), list(strangers))
    scribe.prepare(batch)
    scribe.write(batch)
    return batch


def count(scribe, table="calls"):
    return scribe.sql.value(f"SELECT count(*) FROM {table}")


def test_a_batch_is_there_as_a_whole_with_its_commands_and_changes(scribe, bills):
    order = Order("user.create", {"name": "ada"}, None)
    batch = write(scribe, bills.some(300), [order], [bills.bare(stranger="hf_…", status=401)])
    assert batch.results[0].name == "ada"
    assert [change.value.name for change in batch.changes] == ["ada"]
    assert (count(scribe), count(scribe, "strangers"), scribe.written) == (300, 1, 300)


def test_a_bad_row_is_left_out_and_the_commands_stay(scribe, bills):
    bad = bills.bill(charge_nano_usd=-1)
    batch = write(scribe, [*bills.some(3), bad, *bills.some(3)], [Order("user.create", {"name": "ada"}, None)])
    assert list(batch.problems) == [bad.id]
    assert (count(scribe), count(scribe, "users"), scribe.written) == (6, 1, 6)


def test_strangers_go_round_in_their_ring(scribe, bills):
    scribe._strangers = STRANGERS_MAX - 1
    write(scribe, strangers=[bills.bare(stranger=name, status=401) for name in "abc"])
    assert [slot for (slot,) in scribe.sql.rows("SELECT slot FROM strangers ORDER BY id")] == [STRANGERS_MAX - 1, 0, 1]
    newest = bills.bare(stranger="d", status=401)
    scribe._strangers = 0
    write(scribe, strangers=[newest])
    assert scribe.sql.value("SELECT id FROM strangers WHERE slot = 0") == newest.id


def test_a_flood_of_strangers_leaves_its_last(scribe, bills):
    flood = [bills.bare(stranger="x", status=401) for _ in range(STRANGERS_MAX + 5)]
    write(scribe, strangers=flood)
    assert count(scribe, "strangers") == STRANGERS_MAX
    assert scribe.sql.value("SELECT max(id) FROM strangers") == flood[-1].id


def test_a_trial_of_the_disk_leaves_nothing(scribe):
    scribe.try_disk()
    assert count(scribe, "pulse") == 0


def test_a_lost_connection_is_noticed_and_made_again_by_the_next_transaction(scribe, bills, postgres):
    write(scribe, bills.some(1))
    lost = scribe.session.connection.info.backend_pid
    postgres.execute(f"SELECT pg_terminate_backend({lost}, 5000)")
    with pytest.raises(TryAgain):
        write(scribe, bills.some(1))
    scribe.roll_back()
    write(scribe, bills.some(2))
    assert (count(scribe), scribe.session.connection.info.backend_pid != lost) == (3, True)


def test_a_connection_of_ours_that_nobody_reads_any_more_is_ended(scribe, bills):
    abandoned = scribe.session.connection
    with pytest.raises(TryAgain, match="being ended"):
        scribe._reconnect()
    while scribe.session.connection is abandoned:
        try:
            scribe._reconnect()
        except TryAgain:
            continue
    write(scribe, bills.some(1))
    abandoned.close()


def test_a_commit_that_undid_everything_is_trouble_and_no_success(scribe):
    scribe.begin()
    with pytest.raises(Exception, match="no_such_table"):
        scribe.session.connection.execute("SELECT * FROM no_such_table")
    with pytest.raises(EngineTrouble, match="undid"):
        scribe.commit()


def test_news_are_what_somebody_else_wrote_and_each_once(scribe, database):
    other = database.connect()
    other.execute("INSERT INTO users (name, created_at) VALUES ('eve', 1)")
    other.execute("INSERT INTO changes (at_ms, subject, subject_id) VALUES (1, 'user', 1)")
    other.close()
    assert [change.value.name for change in scribe.news()] == ["eve"]
    assert scribe.news() == []


def test_changes_are_numbered_in_the_order_of_their_commits(scribe, database):
    slow, quick = database.connect(), database.connect()
    slow.execute("SET lock_timeout = '50ms'")
    quick.execute("BEGIN")
    quick.execute("INSERT INTO changes (at_ms, subject, subject_id) VALUES (1, 'user', 1)")
    with pytest.raises(Exception, match="lock timeout"):
        slow.execute("INSERT INTO changes (at_ms, subject, subject_id) VALUES (1, 'user', 2)")
    quick.execute("COMMIT")
    for each in (slow, quick):
        each.close()
