"""Names to addresses: kept for a while, asked once at a time, in turns of families."""

from __future__ import annotations

import asyncio

import pytest

from waypost.providers.addresses import Address, Spot
from waypost.providers.exchange import Unreached
from waypost.providers.resolver import Resolver, system_lookup, taking_turns


class Asked:
    """A look-up that counts, and may be made to wait or fail."""

    def __init__(self, *ips: str) -> None:
        self.names: list[str] = []
        self.ips = ips
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False

    async def __call__(self, name: str) -> list[Spot]:
        self.names.append(name)
        await self.gate.wait()
        if self.fails:
            raise OSError(None, "no answer")
        return [Spot(ip) for ip in self.ips]


def test_an_answer_is_kept_and_asked_again_after_its_time(play) -> None:
    async def scene() -> None:
        asked = Asked("1.1.1.1")
        resolver = Resolver(asked, seconds_max=0.05)
        for _ in range(3):
            assert await resolver.spots("one.test") == (Spot("1.1.1.1"),)
        assert len(asked.names) == 1
        await asyncio.sleep(0.06)
        await resolver.spots("one.test")
        assert len(asked.names) == 2

    play(scene())


def test_nothing_is_ever_kept_longer_than_thirty_seconds() -> None:
    assert Resolver(seconds_max=1e9)._seconds_max == 30.0


def test_many_who_ask_at_once_are_one_look_up(play) -> None:
    async def scene() -> None:
        asked = Asked("1.1.1.1")
        asked.gate.clear()
        resolver = Resolver(asked)
        waiting = [asyncio.create_task(resolver.spots("one.test")) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        asked.gate.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [(Spot("1.1.1.1"),)] * 4
        assert len(asked.names) == 1

    play(scene())


def test_a_failure_is_told_to_all_and_not_kept(play) -> None:
    async def scene() -> None:
        asked = Asked("1.1.1.1")
        asked.fails = True
        resolver = Resolver(asked)
        answers = await asyncio.gather(*(resolver.spots("one.test") for _ in range(3)), return_exceptions=True)
        assert [error.trouble.code for error in answers] == ["dns"] * 3
        asked.fails = False
        assert await resolver.spots("one.test") == (Spot("1.1.1.1"),)

    play(scene())


def test_an_address_is_never_looked_up(play) -> None:
    async def scene() -> None:
        asked = Asked()
        for host, ip in (("127.1", "127.0.0.1"), ("::1", "::1")):
            assert await Resolver(asked).spots(host) == (Spot(ip),)
        assert not asked.names

    play(scene())


def test_only_the_first_eight_addresses_are_tried_and_none_twice(play) -> None:
    async def scene() -> None:
        asked = Asked(*(f"1.1.1.{number // 2}" for number in range(60)))
        spots = await Resolver(asked).spots("many.test")
        assert spots == tuple(Spot(f"1.1.1.{number}") for number in range(8))

    play(scene())


def test_the_number_of_names_kept_is_bounded(play) -> None:
    async def scene() -> None:
        resolver = Resolver(Asked("1.1.1.1"))
        for number in range(2500):
            await resolver.spots(f"n{number}.test")
        assert len(resolver._known) <= 1000

    play(scene())


def test_families_take_turns_and_the_systems_first_choice_is_first() -> None:
    six, four = [Spot("2600::1"), Spot("2600::2"), Spot("2600::3")], [Spot("1.1.1.1")]
    assert taking_turns([*six, *four]) == [six[0], four[0], six[1], six[2]]
    assert taking_turns([*four, *six]) == [four[0], *six]
    assert taking_turns(four * 2) == four * 2
    assert taking_turns([]) == []


def test_a_name_with_private_addresses_alone_is_refused_and_says_which_kinds(play) -> None:
    async def scene() -> None:
        resolver = Resolver(Asked("10.0.0.1", "169.254.169.254", "::1"))
        with pytest.raises(Unreached) as raised:
            await resolver.checked(Address("http", "inside.test", 80, allow_private=False))
        assert raised.value.trouble.code == "forbidden_address"
        assert "link-local, loopback, private" in raised.value.trouble.why
        assert "10.0.0.1" not in raised.value.trouble.why
        allowed = await resolver.checked(Address("http", "inside.test", 80, allow_private=True))
        assert len(allowed) == 3

    play(scene())


def test_the_system_knows_localhost(play) -> None:
    async def scene() -> None:
        assert set(await system_lookup("localhost")) <= {Spot("127.0.0.1"), Spot("::1")}
        assert await system_lookup("localhost")

    play(scene())


def test_closing_gives_up_what_is_still_asked(play) -> None:
    async def scene() -> None:
        asked = Asked("1.1.1.1")
        asked.gate.clear()
        resolver = Resolver(asked)
        waiting = asyncio.create_task(resolver.spots("one.test"))
        await asyncio.sleep(0.001)
        await resolver.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    play(scene())
