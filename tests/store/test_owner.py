import asyncio
import os

import apsw
import pytest
from failing_disk import failing_disk
from sample_bills import START_MS

from waypost.domain.problems import Problem, Refusal
from waypost.domain.pulse import PulseDelta
from waypost.store.books import Counter, DataError, Retention, StoreSettings
from waypost.store.link import OwnerLink
from waypost.store.owner import Owner

DELTA = PulseDelta(("acme/one", "alpha"), START_MS, (1.0, 2.0))


def settings(folder):
    return StoreSettings(folder, retry_seconds_max=0.2, poll_seconds=0.05)


def test_a_filed_waybill_is_there_after_the_owner_has_gone(run, folder, bills, reader):
    made = bills.some(3)

    async def story():
        owner = Owner(settings(folder), lambda: START_MS)
        await asyncio.gather(*map(owner.file, made))
        await owner.close()

    run(story())
    assert all(reader().find(bill.id) for bill in made)


def test_closing_writes_what_nobody_waited_for(run, folder, bills, reader):
    made = bills.some(500)

    async def story():
        owner = Owner(settings(folder), lambda: START_MS)
        futures = [owner.file(bill) for bill in made]
        await owner.close()
        assert all(future.done() for future in futures)
        with pytest.raises(Refusal, match="could not be written"):
            await owner.file(bills.bill())
        with pytest.raises(Refusal, match="could not be written"):
            await owner.run("user.create", {"name": "ada"})

    run(story())
    assert reader().counts()["requests"] == 500


def test_a_second_owner_is_refused_and_the_first_goes_on(run, folder):
    async def story():
        owner = Owner(settings(folder))
        with pytest.raises(DataError, match=str(os.getpid())):
            Owner(settings(folder))
        assert (await owner.run("user.create", {"name": "ada"})).name == "ada"
        await owner.close()

    run(story())


def test_one_waybill_that_cannot_be_written_fails_alone(run, folder, bills):
    bad = bills.bill(charge_nano_usd=-1)

    async def story():
        owner = Owner(settings(folder), lambda: START_MS)
        results = await asyncio.gather(*map(owner.file, [bills.bill(), bad, bills.bill()]), return_exceptions=True)
        assert [getattr(result, "code", None) for result in results] == [None, "internal_error", None]
        await owner.close()

    run(story())


def test_a_full_disk_is_a_refusal_for_waybills_and_commands(run, folder, bills):
    async def story():
        owner = Owner(settings(folder), lambda: START_MS)
        connection = owner._writer._scribe.connection
        connection.pragma("max_page_count", connection.pragma("page_count"))
        filed = [owner.file(bill) for bill in bills.some(300)]
        results = await asyncio.gather(*filed, owner.run("user.create", {"name": "ada"}), return_exceptions=True)
        assert {result.code for result in results} == {"ledger_unavailable"}
        connection.pragma("max_page_count", 1_000_000)
        await owner.file(bills.bill())
        await owner.close()

    run(story())


def test_an_unknown_outcome_ends_everything_and_says_so_once(run, folder, bills):
    async def story(disk):
        owner = Owner(settings(folder), lambda: START_MS)
        fatal = []
        owner.on_fatal(fatal.append)
        await owner.file(bills.bill())
        disk.sync_error = apsw.IOError
        waiting = [owner.file(bill) for bill in bills.some(5)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {result.code for result in results} == {"ledger_unavailable"}
        with pytest.raises(Problem):
            await owner.file(bills.bill())
        assert len(fatal) == 1
        disk.sync_error = None
        await owner.close()
        owner._writer._scribe.connection.close()

    with failing_disk() as disk:
        run(story(disk))


def test_changes_are_told_after_the_commit_and_before_the_answer(run, folder, reader):
    async def story():
        owner = Owner(settings(folder))
        told = []
        owner.on_changes(lambda changes: told.extend(change.value.name for change in changes))
        user = await owner.run("user.create", {"name": "ada"})
        assert told == ["ada"]
        assert reader().users() == [user]
        await owner.close()

    run(story())


def test_changes_that_came_before_anybody_listened_are_not_lost(run, folder):
    async def story():
        owner = Owner(settings(folder))
        await owner.run("user.create", {"name": "ada"})
        told = []
        owner.on_changes(told.extend)
        assert [change.value.name for change in told] == ["ada"]
        await owner.close()

    run(story())


def test_what_another_process_writes_is_told_within_250_ms(run, folder):
    async def story():
        owner = Owner(settings(folder))
        heard = asyncio.Event()
        owner.on_changes(lambda _: heard.set())
        other = apsw.Connection(str(folder / "waypost.db"))
        other.set_busy_timeout(1000)
        with other:
            other.execute("INSERT INTO users (name, created_at) VALUES ('eve', 1)")
            other.execute("INSERT INTO changes (at_ms, subject, subject_id) VALUES (1, 'user', 1)")
        other.close()
        async with asyncio.timeout(2):
            await heard.wait()
        await owner.close()

    run(story())


def test_readings_outlive_the_process_and_are_told_at_the_start(run, folder):
    async def story(expected):
        owner = Owner(settings(folder), lambda: START_MS)
        told = []
        owner.on_pulse(told.extend)
        assert told == expected
        owner.send_pulse([DELTA])
        await owner.close()

    run(story([]))
    run(story([DELTA]))


def test_retention_may_change_while_it_runs(run, folder, bills, reader):
    async def story():
        owner = Owner(settings(folder), lambda: START_MS)
        owner.retain(Retention(None, 10))
        await asyncio.gather(*map(owner.file, bills.some(30)))
        while reader().counts()["requests"] > 10:
            await asyncio.sleep(0.01)
        await owner.close()

    run(story())


def test_the_owner_decides_its_own_counters_at_once(run, folder):
    async def story():
        owner = Owner(settings(folder))
        two = Counter("streams:1", 2, 0)
        assert [owner.try_take(two, 1).granted for _ in range(3)] == [True, True, False]
        owner.give(two, 1)
        assert (await owner.take(two, 1)).granted
        assert not (await owner.take(two, 1)).granted
        await owner.close()

    run(story())


def test_before_the_owner_says_no_it_calls_slices_back(run, folder):
    async def story():
        owner = Owner(settings(folder))
        await owner.listen()
        link = await OwnerLink.connect(folder)
        many = Counter("requests:1", 1000, 0)
        assert (await link.take(many, 1)).granted
        assert link.try_take(many, 1).granted, "from its slice"
        verdict = await owner.take(many, 998)
        assert verdict.granted
        assert not (await owner.take(many, 1)).granted
        await link.close()
        await owner.close()

    run(story())


def test_a_worker_that_comes_while_nothing_can_be_written_hears_of_it_and_of_the_owners_end(run, folder, bills):
    async def becomes(link, trouble) -> None:
        async with asyncio.timeout(5):
            while link.trouble != trouble:
                await asyncio.sleep(0.01)

    async def story(disk):
        owner = Owner(settings(folder))
        await owner.listen()
        disk.write_error = apsw.FullError
        with pytest.raises(Refusal, match="could not be written"):
            await owner.file(bills.bill())
        link = await OwnerLink.connect(folder)
        await becomes(link, "the test's disk")
        disk.write_error = None
        await becomes(link, None)
        await owner.close()
        await becomes(link, "The process that owns the data has ended.")
        await link.close()

    with failing_disk() as disk:
        run(story(disk))
