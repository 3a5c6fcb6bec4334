import asyncio

import pytest

from waypost.domain.problems import Refusal
from waypost.store.settling import settle


def test_a_future_is_settled_once_and_by_the_first(run):
    async def story():
        future = asyncio.get_running_loop().create_future()
        settle(future, 1)
        settle(future, 2)
        settle(None, 3)
        assert await future == 1

    run(story())


def test_a_problem_is_raised_where_it_is_awaited(run):
    async def story():
        future = asyncio.get_running_loop().create_future()
        settle(future, Refusal("invalid_request", "no"))
        with pytest.raises(Refusal, match="no"):
            await future

    run(story())
