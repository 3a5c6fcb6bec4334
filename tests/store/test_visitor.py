import asyncio
import threading
import time

import pytest

from waypost.domain.problems import Refusal
from waypost.store.books import DataError, StoreSettings
from waypost.store.folder_lock import FolderLock
from waypost.store.owner import Owner
from waypost.store.visitor import visit

TOKEN = {"user": "ada", "name": "ci", "kind": "read", "digest": b"d" * 32, "last4": "zzzz"}


def test_without_a_server_the_visit_works_on_the_folder_itself(folder, reader):
    with visit(folder) as run:
        assert run("user.create", {"name": "ada"}).name == "ada"
        assert run("token.create", TOKEN).digest == b"d" * 32
        with pytest.raises(Refusal, match="already a user"):
            run("user.create", {"name": "ada"})
    assert [user.name for user in reader().users()] == ["ada"]
    FolderLock(folder).take(0)  # nothing is held afterwards


def test_with_a_server_its_owner_does_the_writing_and_everybody_hears(run, folder):
    async def story():
        owner = Owner(StoreSettings(folder))
        await owner.listen()
        told = []
        owner.on_changes(told.extend)

        def visitor():
            with visit(folder) as do:
                user = do("user.create", {"name": "ada"})
                token = do("token.create", TOKEN)
                with pytest.raises(Refusal, match="already a user") as caught:
                    do("user.create", {"name": "ada"})
                return user, token, caught.value.fix

        user, token, fix = await asyncio.to_thread(visitor)
        assert [change.value for change in told] == [user, token]
        assert fix == "Choose another name."
        await owner.close()

    run(story())


def test_a_server_that_starts_waits_for_a_visit_to_end(run, folder):
    inside = threading.Event()

    def visitor():
        with visit(folder) as do:
            inside.set()
            time.sleep(0.2)
            do("user.create", {"name": "ada"})

    async def story():
        visiting = asyncio.create_task(asyncio.to_thread(visitor))
        await asyncio.to_thread(inside.wait)
        owner = Owner(StoreSettings(folder))
        await visiting
        await owner.close()

    run(story())


def test_a_folder_whose_owner_does_not_listen_is_said_to_be_in_use(run, folder):
    async def story():
        owner = Owner(StoreSettings(folder))
        with pytest.raises(DataError, match="in use"):
            await asyncio.to_thread(lambda: visit(folder, wait_seconds_max=0.1).__enter__())
        await owner.close()

    run(story())


def test_a_server_that_dies_meanwhile_is_said_in_one_line(run, folder):
    async def story():
        owner = Owner(StoreSettings(folder))
        await owner.listen()
        with visit(folder) as do:
            await owner.close()
            with pytest.raises(DataError, match="did not answer"):
                await asyncio.to_thread(do, "user.create", {"name": "ada"})

    run(story())


def test_a_folder_that_cannot_be_written_is_said_in_one_line(folder):
    (folder / "file").touch()
    with pytest.raises(DataError, match="cannot be written"), visit(folder / "file" / "data"):
        pass
