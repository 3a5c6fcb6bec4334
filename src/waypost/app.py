"""The composition root: the one place where the parts of a serving process meet."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from waypost.app_money import Money, absent_routes
from waypost.app_settings import (
    door_tls,
    http_limits,
    load_certificate,
    planner_settings,
    proxy_settings,
    pulse_settings,
    retention,
    told_outside,
)
from waypost.domain.endpoints import Model, Provider
from waypost.domain.money import nano_usd
from waypost.domain.requests import RequestNumbers, request_id
from waypost.door.asgi import AsgiBridge
from waypost.door.cold import Gate, Handler, cold_app
from waypost.door.completions import ChatDoor
from waypost.door.cors import Cors
from waypost.door.explain import Explain, explained
from waypost.door.hub import Hub, Purses
from waypost.door.keyed import KeyedCalls
from waypost.door.meter import Meter
from waypost.door.models import Models
from waypost.door.openapi import openapi
from waypost.door.preferences import PreferencesRoutes
from waypost.door.probes import Gauge, Probes, endpoint_gauges
from waypost.door.problems import problem_writer
from waypost.door.provider_keys import ProviderKeyRoutes
from waypost.door.requests import ReadingRoom, Requests
from waypost.door.site import Door
from waypost.door.tokens import TokenRoutes
from waypost.foresight import explain
from waypost.identity.keyring import Keyring
from waypost.identity.limits import Turnstile
from waypost.identity.registry import Identity
from waypost.identity.tokens import Minted, mint
from waypost.identity.vault import Vault
from waypost.journey import House
from waypost.ledger.book import Book
from waypost.ledger.marks import Marks
from waypost.providers.courier import Courier
from waypost.providers.upstream import Upstream
from waypost.providers.watch import Watch
from waypost.routing.assembly import assemble
from waypost.routing.budget import RetryBudget
from waypost.routing.catalogue import Catalogue
from waypost.routing.planner import Planner
from waypost.routing.pulse import Pulse
from waypost.routing.sheets import read_sheets
from waypost.settings import Settings, needs_restart
from waypost.store.books import Books
from waypost.store.reader import Reader
from waypost.wire.http11 import HttpServer
from waypost.wire.http11_messages import Request

log = logging.getLogger("waypost")
PULSE_SECONDS = 0.25
COLLECTOR_THRESHOLDS = (50_000, 20, 20)
USED_BEATS = 20
"""Every five seconds: when tokens were last used."""


class Practice(NamedTuple):
    """The practice rows of the catalogue, and where they run."""

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]


def unix_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def build_catalogue(settings: Settings, practice: Practice | None) -> tuple[Catalogue, tuple[str, ...]]:
    """Settings over synced sheets over practice; and what is odd about them, a line each."""
    sheets = read_sheets(settings.catalogue_folder)
    assembled = assemble(sheets.sheets, settings.models, settings.as_of)
    providers = dict(settings.providers)
    models = list(assembled.models.values())
    if practice is not None and settings.practice_offered(assembled.models):
        stand_ins = {slug: row for slug, row in practice.providers.items() if not _really_usable(providers.get(slug))}
        providers |= stand_ins
        models += [_only_at(model, stand_ins) for model in practice.models.values()]
    catalogue = Catalogue.build(providers.values(), [m for m in models if m.endpoints or m.alias_of or m.retired])
    return catalogue, (*settings.notes, *sheets.notes, *assembled.notes)


def _really_usable(provider: Provider | None) -> bool:
    return provider is not None and provider.usable and not provider.disabled


def _only_at(model: Model, providers: Mapping[str, Provider]) -> Model:
    return Model(
        model.id,
        tuple(endpoint for endpoint in model.endpoints if endpoint.provider in providers),
        created=model.created,
        input_modalities=model.input_modalities,
    )


def calm_collector() -> None:
    """Look for cyclic garbage seldom: a call leaves none, and what was made at start is never looked at again.

    Python's own threshold (700 objects) runs the collector for every third call when fifty are under way.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    gc.enable()


class ServingProcess:
    """One process that serves: in front of the owner in the same process, or of a link to it."""

    _tls: ssl.SSLContext | None = None

    def __init__(
        self, settings: Settings, books: Books, reader: Reader, pepper: bytes, practice: Practice | None
    ) -> None:
        self.settings = self._started_with = settings
        self.books = books
        self._practice = practice
        self._loop = loop = asyncio.get_running_loop()
        self._draining = False
        self.catalogue, self.notes = build_catalogue(settings, practice)
        self.pulse = Pulse(unix_ms, pulse_settings(settings), self._key_refused)
        self.keyring = Keyring(Vault(settings.data_folder), self._own_key_changed)
        self.planner = Planner(
            self.catalogue, self.pulse, unix_ms, random.random, planner_settings(settings), self.keyring.by_owner
        )
        self.identity = Identity(pepper, unix_ms)
        self._know_everybody(reader)
        self.upstream = Upstream(proxy=proxy_settings(settings))
        budget = RetryBudget(
            lambda: self.pulse.in_flight, loop.time, settings.routing.retry_share, settings.routing.retries_min
        )
        self._watch = Watch()
        self._courier = Courier(self.upstream, self.pulse, budget, self._watch)
        self._collector, told = told_outside(settings)
        self.meter = Meter(told)
        self.house = self._house()
        self._numbers = RequestNumbers(books.writer, unix_ms)
        self._problems = problem_writer(settings.errors.style)
        self._cors = Cors(settings.server.allowed_origins)
        self._reader = reader
        self.chat = self._chats()
        self._cold = self._cold_rooms()
        self.door = self._door()
        self.server = HttpServer(self.door, http_limits(settings))
        books.on_pulse(self.pulse.merge)
        self._beat: asyncio.TimerHandle | None = None
        self._beats, self._lag = 0, 0.0
        self._notes_under_way: set[asyncio.Task[Any]] = set()

    def _chats(self) -> ChatDoor:
        keyed = KeyedCalls(self.house, self.books, self._reader, ReadingRoom(), self.keyring.vault)
        return ChatDoor(self.house, self._problems, self._numbers, self._cors, keyed)

    def _house(self) -> House:
        """Every room that a call passes through."""
        settings, books = self.settings, self.books
        return House(
            self.identity,
            Turnstile(books),
            self.planner,
            Book(books, nano_usd(settings.credits.low_usd)),
            self._courier,
            Marks(books),
            books,
            self.meter,
            perf_counter,
            keep_bodies=settings.waybills.bodies,
        )

    async def listen(self, sock: socket.socket, neighbours: Sequence[socket.socket] = ()) -> None:
        """Begin to serve, on this process's own socket and where other processes fail to on theirs."""
        self._tls = door_tls(self.settings)
        await self.server.listen(sock, self._tls, neighbours)
        calm_collector()
        self.books.retain(retention(self.settings))  # a worker that starts later has read newer settings
        if self._collector is not None:
            self._collector.start()
        self._tick()

    async def take_up(self, read: Callable[[], Settings]) -> None:
        """Read the settings again and serve with them. A large catalogue takes a second: that is not the loop's."""
        settings = await asyncio.to_thread(read)
        self.use(settings, await asyncio.to_thread(build_catalogue, settings, self._practice))

    def use(self, settings: Settings, built: tuple[Catalogue, tuple[str, ...]] | None = None) -> None:
        """Serve with other settings from now on; calls under way are not touched.

        A certificate that was renewed in its place is read again. Raises OSError where it cannot be.
        """
        built = built or build_catalogue(settings, self._practice)
        if self._tls is not None and door_tls(self._started_with) is not None:  # what cannot be read spoils nothing
            load_certificate(self._tls, self._started_with)
        self.settings = settings
        self.catalogue, self.notes = built
        self.planner.use(self.catalogue, planner_settings(settings))
        self._courier.forget()
        self.door.serve(self.catalogue.providers.values())
        self.house.keep_bodies = settings.waybills.bodies
        self.books.retain(retention(settings))

    @property
    def needs_restart(self) -> tuple[str, ...]:
        """Settings that changed since the start and are read there alone."""
        return needs_restart(self._started_with, self.settings)

    async def drain(self) -> int:
        """Stop accepting, let calls finish; how many had to be cut."""
        self._draining = True
        self.server.stop_accepting()
        cut = await self.server.drain(self.settings.server.drain_seconds_max)
        self._watch.drains.close()
        await self.chat.idle()
        return cut

    async def close(self) -> None:
        """Let go of everything but the books."""
        if self._beat is not None:
            self._beat.cancel()
        self.books.send_pulse(self.pulse.deltas())
        self._tell_used()
        if self._notes_under_way:
            await asyncio.wait(self._notes_under_way)
        if self._collector is not None:
            await self._collector.close()
        await self._cold.close()
        await self.upstream.close()

    async def explain(self, body: bytes, headers: Mapping[bytes, bytes]) -> dict[str, Any]:
        """What a call would do. Raises Refusal only for callers nobody knows."""
        request = Request("POST", b"/v1/explain", "/v1/explain", b"", dict(headers))
        request.body = body
        asked = self.chat.asked(request)
        return explained(asked.bill, await explain(asked, self.house))

    def _request_id(self) -> str:
        return request_id(self._numbers.next()[0])

    def _door(self) -> Door:
        settings = self.settings
        probes = Probes(self.meter, self._not_ready, self._request_id, self._gauges(), self._labels())
        door = Door(
            chat=self.chat,
            hot={"live": probes.live, "ready": probes.ready, "metrics": probes.metrics},
            cold=self._cold.call,
            identity=self.identity,
            problems=self._problems,
            request_ids=self._request_id,
            cors=self._cors,
            body_bytes_max=settings.server.body_bytes_max,
            absent=absent_routes(self._started_with),
        )
        door.serve(self.catalogue.providers.values())
        return door

    def _cold_rooms(self) -> AsgiBridge:
        """Everything that is not on the way of a chat call."""
        gate = Gate(self.identity, self._problems, self._request_id, self._cors)
        catalogue, planner = (lambda: self.catalogue), (lambda: self.planner)
        room = ReadingRoom()
        money = Money(self.books, self._reader, room, self.identity.memberships, lambda: self.settings)
        rooms = (
            Explain(self),
            Models(catalogue, planner, self._loop.time, self.pulse.reading),
            Hub(catalogue, planner, Purses(self.identity.memberships, money.free)),
            Requests(self._reader, room, self.identity.memberships),
            PreferencesRoutes(self.books, lambda: self.catalogue.providers, self.identity),
            ProviderKeyRoutes(self.books, self._reader, room, self.keyring.vault, lambda: self.catalogue.providers),
            TokenRoutes(self.books, self._reader, room, self._mint, self.identity, unix_ms),
            money,
        )
        handlers: dict[str, Handler] = {"openapi": openapi}
        for one in rooms:
            handlers |= one.handlers()
        return AsgiBridge(cold_app(gate, handlers, lambda: self.door.chats))

    def _mint(self) -> Minted:
        return mint(self.settings.tokens.prefix)

    def _not_ready(self) -> list[str]:
        reasons = ["draining: this process is shutting down"] if self._draining else []
        if self.books.trouble is not None:
            reasons.append(f"ledger_unavailable: waybills cannot be written: {self.books.trouble}")
        return reasons

    def _labels(self) -> tuple[tuple[str, str], ...]:
        return (("worker", str(self.books.writer)),) if self.books.writer else ()

    def _gauges(self) -> tuple[Gauge, ...]:
        return (
            Gauge("waypost_in_flight", "Requests under way.", lambda: self.server.in_flight),
            Gauge("waypost_client_connections", "Open connections of clients.", lambda: self.server.connections),
            Gauge("waypost_upstream_sockets", "Sockets towards providers.", lambda: self.upstream.open_sockets),
            Gauge("waypost_unwritten_waybills", "Waybills that wait for the disk.", lambda: self.books.unwritten),
            Gauge("waypost_loop_lag_seconds", "How late the event loop was when last looked at.", lambda: self._lag),
            *endpoint_gauges(self.pulse.readings),
        )

    def _know_everybody(self, reader: Reader) -> None:
        """Raises DataError where the file that opens provider keys is not for us alone."""
        self.books.on_changes(self.identity.apply)
        self.identity.load(reader.users(), reader.tokens(), reader.organisations(), reader.members())
        self.books.on_changes(self.keyring.apply)
        self.keyring.load(reader.provider_keys())

    def _own_key_changed(self, owner: str, provider: str) -> None:
        """It is tried at once, and what is written with the one before goes."""
        self.pulse.key_changed(provider, owner)
        self._courier.forget()

    def _key_refused(self, key: tuple[str, ...], words: str) -> None:
        log.error("provider %s refuses our key (%s): its endpoints rest until the key changes", key[1], words)

    def _tick(self) -> None:
        if self._beat is not None:
            self._lag = max(0.0, self._loop.time() - self._beat.when())
        self._beat = self._loop.call_later(PULSE_SECONDS, self._tick)
        deltas = self.pulse.deltas()
        if deltas:
            self.books.send_pulse(deltas)
        self._beats += 1
        if self._beats % USED_BEATS == 0:
            self._tell_used()

    def _tell_used(self) -> None:
        """Which tokens were used: nobody waits for it, and a lost note is no harm."""
        used = self.identity.take_used()
        if used:
            note = self._loop.create_task(self.books.run("token.used", {"uses": used}))
            self._notes_under_way.add(note)
            note.add_done_callback(self._noted)

    def _noted(self, note: asyncio.Task[Any]) -> None:
        self._notes_under_way.discard(note)
        if not note.cancelled() and note.exception() is not None:
            log.warning("when tokens were last used could not be written: %s", note.exception())
