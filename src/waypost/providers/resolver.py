"""Names to addresses: our own short cache, one look-up at a time for a name, and every address checked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from waypost.providers.addresses import Address, Spot, forbidden, literal, plain_name
from waypost.providers.exchange import Unreached

SECONDS_MAX: Final = 30.0
NAMES_MAX: Final = 1000
SPOTS_MAX: Final = 8

Lookup = Callable[[str], Awaitable[list[Spot]]]


class _Known(NamedTuple):
    spots: tuple[Spot, ...]
    until: float


async def system_lookup(name: str) -> list[Spot]:
    """Ask the operating system."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [Spot(at[0].partition("%")[0], at[3] if len(at) == 4 else 0) for *_, at in found if isinstance(at[0], str)]


class Resolver:
    """Answers for at most 30 seconds what DNS said, so that a name cannot change between its check and its use."""

    def __init__(self, lookup: Lookup = system_lookup, seconds_max: float = SECONDS_MAX) -> None:
        self._lookup = lookup
        self._seconds_max = min(seconds_max, SECONDS_MAX)
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[tuple[Spot, ...]]] = {}

    async def checked(self, address: Address) -> tuple[Spot, ...]:
        """The addresses of a host that may be connected to, in the system's order, families taking turns.

        Raises Unreached: `dns` where there is none, `forbidden_address` where none is public.
        """
        spots = await self.spots(address.host)
        if address.allow_private:
            return spots
        kinds = {spot: forbidden(spot.ip) for spot in spots}
        public = tuple(spot for spot in spots if kinds[spot] is None)
        if not public:
            why = ", ".join(sorted({kind for kind in kinds.values() if kind}))
            raise Unreached(
                "forbidden_address",
                f"{address.host} has no public address ({why}); an operator may allow it in the provider's settings",
            )
        return public

    async def spots(self, host: str) -> tuple[Spot, ...]:
        """All addresses of a host, unchecked. Raises Unreached (`dns`)."""
        spelled = literal(host)
        if spelled is not None:
            return (spelled,)
        name = plain_name(host)
        if name is None:
            raise Unreached("dns", "the provider's host name is not one that DNS can have")
        loop = asyncio.get_running_loop()
        known = self._known.get(name)
        if known is not None and loop.time() < known.until:
            return known.spots
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = loop.create_task(self._ask(name))
            task.add_done_callback(lambda done: self._answered(name, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for nobody: look-ups under way are given up."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, name: str) -> tuple[Spot, ...]:
        try:
            found = await self._lookup(name)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "look-up failed"
            raise Unreached("dns", f"{name} could not be resolved: {why}") from None
        spots = tuple(taking_turns(list(dict.fromkeys(found)))[:SPOTS_MAX])
        if not spots:
            raise Unreached("dns", f"{name} has no address")
        if len(self._known) >= NAMES_MAX:
            self._known.clear()
        self._known[name] = _Known(spots, asyncio.get_running_loop().time() + self._seconds_max)
        return spots

    def _answered(self, name: str, task: asyncio.Task[tuple[Spot, ...]]) -> None:
        del self._asking[name]
        if not task.cancelled():
            task.exception()  # those who waited were told; nobody may be left


def taking_turns(spots: list[Spot]) -> list[Spot]:
    """IPv6 and IPv4 alternating, the system's first choice first (RFC 8305, section 4)."""
    if not spots:
        return spots
    same = [spot for spot in spots if spot.family == spots[0].family]
    other = [spot for spot in spots if spot.family != spots[0].family]
    turns = [spot for pair in zip(same, other, strict=False) for spot in pair]
    return turns + same[len(other) :] + other[len(same) :]
