"""What an engine that fails does to whoever waits for it, and what it does not do."""

import asyncio

import psycopg
import pytest
from outages import PostgresOutage

from waypost.domain.problems import Problem
from waypost.store.books import DataError, Filters
from waypost.store.owner import Owner
from waypost.store.reader import Reader
from waypost.store.visitor import visit

NEXT_IN_LINE = "SELECT pg_advisory_lock(1465993584, hashtext(current_schema()))"
SOMEBODY_WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_an_unknown_outcome_ends_everything_and_says_so_once(run, place, bills, outage, reader, told):
    async def story():
        owner = Owner(told(place))
        fatal = []
        owner.on_fatal(fatal.append)
        await owner.file(bills.bill())
        outage.lose_commits()
        waiting = [owner.file(bill) for bill in bills.some(5)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {result.code for result in results} == {"ledger_unavailable"}
        with pytest.raises(Problem):
            await owner.file(bills.bill())
        assert len(fatal) == 1
        outage.keep_commits()
        await owner.close()
        owner._writer._scribe.close()

    run(story())
    assert reader().counts()["requests"] in (1, 6), "all of the batch or nothing"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_start_on_a_full_disk_is_refused_in_one_line_and_works_later(run, place, outage, told):
    async def story():
        await Owner(told(place)).close()
        outage.begin()
        with pytest.raises(DataError, match="cannot be written"):
            Owner(told(place))
        outage.end()
        await Owner(told(place)).close()

    run(story())


def test_a_second_owner_is_refused_and_the_first_goes_on(run, place, told):
    async def story():
        owner = Owner(told(place))
        with pytest.raises(DataError, match="in use by another Waypost"):
            Owner(told(place))
        assert (await owner.run("user.create", {"name": "ada"})).name == "ada"
        await owner.close()

    run(story())


@pytest.fixture
def elsewhere(tmp_path, place):
    """Another data folder, with the same database."""
    return place._replace(folder=tmp_path)


@pytest.fixture
def thrown_out(postgres, postgres_database):
    return PostgresOutage(postgres, postgres_database).throw_out


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
class TestOneDatabaseForSeveral:
    """What a file in a folder does not know."""

    def test_an_owner_with_another_folder_is_refused_too(self, run, place, elsewhere, told):
        async def story():
            owner = Owner(told(place))
            with pytest.raises(DataError, match="in use by another Waypost"):
                Owner(told(elsewhere))
            with pytest.raises(DataError, match="in use by another Waypost"), visit(*elsewhere):
                pass
            await owner.close()
            await Owner(told(elsewhere)).close()

        run(story())

    def test_a_lost_connection_comes_back_before_anybody_is_refused(self, run, place, bills, thrown_out, told):
        async def story():
            owner = Owner(told(place))
            await owner.run("user.create", {"name": "ada"})
            for _ in range(3):
                thrown_out()
                await owner.file(bills.bill())
            with pytest.raises(DataError, match="in use by another Waypost"):
                Owner(told(place)._replace(folder=place.folder / "other"))
            await owner.close()

        run(story())

    def test_an_owner_that_was_replaced_while_it_was_away_ends(self, run, place, bills, told):
        async def story():
            owner = Owner(told(place))
            ended = asyncio.Event()
            owner.on_fatal(lambda _: ended.set())
            await owner.file(bills.bill())
            with psycopg.connect(place.database, autocommit=True) as other:
                waiting = asyncio.create_task(asyncio.to_thread(other.execute, NEXT_IN_LINE))
                with psycopg.connect(place.database, autocommit=True) as third:
                    while not third.execute(SOMEBODY_WAITS).fetchone()[0]:
                        await asyncio.sleep(0.01)
                    lost = owner._writer._scribe.session.connection.info.backend_pid
                    third.execute("SELECT pg_terminate_backend(%s, 5000)", (lost,))
                await waiting
                with pytest.raises(Problem) as caught:
                    await owner.file(bills.bill())
                assert caught.value.code == "ledger_unavailable"
                await ended.wait()
            await owner.close()

        run(story())

    def test_a_reader_whose_connections_are_lost_asks_again(self, run, place, bills, thrown_out, told):
        async def story():
            owner = Owner(told(place))
            await owner.file(bills.bill())
            await owner.close()

        run(story())
        reader = Reader(*place)
        thrown_out()
        assert len(reader.page(Filters()).items) == 1
        reader.close()

    def test_a_reader_without_a_database_refuses(self, run, place, postgres, told):
        async def story():
            await Owner(told(place)).close()

        run(story())
        reader = Reader(*place)
        outage = PostgresOutage(postgres, place.database)
        outage.begin()
        with pytest.raises(Problem) as caught:
            reader.page(Filters())
        assert caught.value.code == "ledger_unavailable"
        outage.end()
        assert reader.page(Filters()).items == []
        reader.close()
