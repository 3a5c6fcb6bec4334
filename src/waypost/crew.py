"""The processes behind one address: the owner of the data, the practice providers, and whoever serves.

With one worker all of it is one process. With several, this process is the owner and its children serve
(`crew_worker.py`); they inherit the listening sockets.
"""

from __future__ import annotations

import asyncio
import gc
import getpass
import logging
import os
import re
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from waypost.app import Practice, ServingProcess, build_catalogue
from waypost.app_settings import connections_bearable, door_tls, retention
from waypost.crew_hands import BACKLOG, Hands, WorkerOrders, one_each
from waypost.crew_terminal import Terminal, on_hangup
from waypost.domain.databases import shown as shown_address
from waypost.identity.pepper import read_pepper
from waypost.identity.tokens import mint
from waypost.ledger.included import Included
from waypost.practice.profiles import catalogue_rows
from waypost.practice.server import PracticeServers, start
from waypost.routing.catalogue import Catalogue
from waypost.settings import Settings, SettingsError, watch
from waypost.store.books import Books, StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import Reader

log = logging.getLogger("waypost")
WATCH_SECONDS = 1.0
OPEN_FILES_MAX = 65_536
SECRET_BYTES_MIN = 16
CONNECTIONS_FEW = 4_096
"""Who can bear fewer, and would not expect it, is told."""
LOST_COMMIT_EXIT = 75
INTERRUPTED_EXIT = 130
FIRST_NAME = "first"
NAMELESS = "me"
"""The first user's name where the system knows none."""


class StartError(Exception):
    """Waypost cannot start: one line that says what is wrong, and one that says how to mend it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class Ready(NamedTuple):
    """What the start screen shows."""

    address: str
    data: Path
    pid: int
    user: str | None
    """The first user, at the first start only."""
    token: str | None
    """Its token: shown once, kept nowhere."""
    models: int
    providers: tuple[str, ...]
    """Those that can be called now."""
    practice: dict[str, str]
    """Practice providers among them, and where each runs."""
    model: str | None
    """One that can be called now, for a first try."""
    certificate: Path | None
    """What the door shows, where it speaks TLS."""
    workers: int
    notes: tuple[str, ...]
    database: str | None = None
    """The one that holds the data, without its password; None is a file in the folder."""


def allow_open_files() -> None:
    """As many as the system lets us have: a stream takes two, and 1,024 is what many systems give who does not ask."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # the system may know a limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def check_files(settings: Settings) -> tuple[str, ...]:
    """What the settings ask of the system beyond what it gives, a line each. Raises StartError for TLS files."""
    server = settings.server
    try:
        door_tls(settings)
    except OSError as error:
        raise StartError(
            f"Cannot use {server.tls_cert_file} with {server.tls_key_file} for TLS: {error.strerror or error}.",
            "Both must be PEM files that this user may read: a certificate, and its own key without a passphrase.",
        ) from None
    bearable = connections_bearable(server.connections_max)
    if bearable >= min(server.connections_max, CONNECTIONS_FEW):
        return ()
    return (f"at most {bearable:,} connections at once, not {server.connections_max:,}: raise `ulimit -n` for more",)


def check_secret(settings: Settings) -> None:
    """Where payments are to be heard of, nobody but who takes them may tell. Raises StartError."""
    name = settings.credits.webhook_secret_env
    if name is None or len(settings.top_up_secret.encode()) >= SECRET_BYTES_MIN:
        return
    is_what = f"is shorter than {SECRET_BYTES_MIN} bytes" if settings.top_up_secret else "is not set"
    raise StartError(
        f"credits.webhook_secret_env names {name}, which {is_what}.",
        f'Put a long random text into it ({name}="$(openssl rand -hex 32)"), or leave that setting out.',
    )


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address. Raises StartError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise StartError(
            f"Cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}.",
            f"Choose another with --port, such as --port {port + 1 if port < 65535 else 0}.",
        ) from None
    sock.setblocking(False)
    return sock


def open_folder(folder: Path) -> bytes:
    """Make the data folder if there is none, and read its pepper. Raises StartError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return read_pepper(folder)
    except OSError as error:
        raise StartError(
            f"Cannot use the data folder {folder}: {os.strerror(error.errno or 0).lower()}.",
            "Make it writable for this user, or choose another with --data DIR.",
        ) from None


def _login_name() -> str:
    """What the system calls whoever runs this; a container may run as a number that it has no name for."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the first until Python 3.12, the second from 3.13 on
        return NAMELESS


async def first_steps(books: Books, reader: Reader, pepper: bytes, prefix: str) -> tuple[str | None, str | None]:
    """At the first start: a user, an operator, with a token. Gives the user's name and the token's secret."""
    if reader.users():
        return None, None
    name = re.sub(r"[^a-z0-9._-]+", "-", _login_name().lower()).strip("-._") or NAMELESS
    await books.run("user.create", {"name": name, "operator": True})
    token = mint(prefix)
    args = {"user": name, "name": FIRST_NAME, "kind": "write", "digest": token.digest(pepper), "last4": token.last4}
    await books.run("token.create", args)
    return name, token.secret


def store_settings(settings: Settings) -> StoreSettings:
    """What the store is told."""
    return StoreSettings(settings.data_folder, retention(settings), settings.store.database)


def include_credits(owner: Owner, reader: Reader, settings: Settings) -> Reader:
    """What each month brings is the owner's to give: at an account's first call."""
    included = Included(settings.credits.included, reader.organisations())
    owner.standing.included = included
    owner.on_changes(included.apply)
    return reader


async def practice_servers(settings: Settings) -> tuple[PracticeServers | None, Practice | None]:
    """Practice providers on free ports, unless the settings say no."""
    if settings.practice.enabled is False:
        return None, None
    try:
        servers = await start()
    except OSError as error:
        raise StartError(
            f"Cannot start the practice providers: {(error.strerror or str(error)).lower()}.",
            "They listen on 127.0.0.1; set enabled = false under [practice] to do without them.",
        ) from None
    return servers, Practice(*catalogue_rows(servers.base_urls))


class Shift:
    """Serves until told to stop, and takes up new settings on the way. One in each process that serves."""

    def __init__(self, serving: ServingProcess, reload: Callable[[], Settings], stop: asyncio.Event) -> None:
        self._serving = serving
        self._reload = reload
        self._stop = stop
        self._again = False

    async def work(self) -> None:
        """Return when every call has ended after the stop."""
        mark = self._serving.settings.mark
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), WATCH_SECONDS)
            except TimeoutError:
                seen = watch(self._serving.settings)
                if seen != mark or self._again:
                    self._again = False
                    mark = self._serving.settings.mark if await self._use_new() else seen
        self._say_what_is_left()
        cut = await self._serving.drain()
        if cut:
            log.warning("%d streams were cut at the end of the drain", cut)
        await self._serving.close()

    def _say_what_is_left(self) -> None:
        calls = self._serving.server.in_flight
        if calls:
            most = self._serving.settings.server.drain_seconds_max
            log.info("finishing %d calls, for at most %g s; once more ends it now", calls, most)

    def look_again(self) -> None:
        """Read the settings again, changed or not."""
        self._again = True

    async def _use_new(self) -> bool:
        """Settings that cannot be read leave those in force as they are. Says whether others are in force now."""
        serving = self._serving
        try:
            await serving.take_up(self._reload)
        except (SettingsError, ValueError, OSError) as error:
            log.error("the settings changed and cannot be used; those before stay: %s", error)  # noqa: TRY400 (no bug)
            return False
        except Exception:  # streams must not be cut by it
            log.exception("a bug in taking up changed settings")
            return False
        log.info("settings and catalogue reloaded: %d models", len(serving.catalogue.models))
        for note in serving.notes:
            log.warning("%s", note)
        for name in serving.needs_restart:
            log.warning("%s changed: it needs a restart", name)
        return True


def leave_at_once() -> None:
    """Whatever was acknowledged is on the disk."""
    os._exit(INTERRUPTED_EXIT)


def stop_on_signals(stop: asyncio.Event, again: Callable[[], None] = leave_at_once) -> None:
    """SIGTERM or SIGINT once: finish what was begun. Once more: `again`."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, _stop_or, stop, again)


def _stop_or(stop: asyncio.Event, again: Callable[[], None]) -> None:
    if stop.is_set():
        again()
    stop.set()


class Crew:
    """Everything that runs; `reload` reads the settings again."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings], orders: WorkerOrders) -> None:
        self._settings = settings
        self._reload = reload
        self._orders = orders
        self._terminal = Terminal()
        self._stop = asyncio.Event()
        self._exit = 0

    async def run(self, announce: Callable[[Ready], None]) -> int:
        """Serve until SIGTERM or SIGINT; gives the exit code. Raises StartError, DataError, SettingsError."""
        settings = self._settings
        gc.disable()  # what is loaded now stays: looking through it again and again would triple the start
        allow_open_files()
        odd = check_files(settings)
        check_secret(settings)
        pepper = open_folder(settings.data_folder)
        async with AsyncExitStack() as closing:
            sock = closing.enter_context(bind(settings.server.host, settings.server.port))
            owner = Owner(store_settings(settings))
            closing.push_async_callback(owner.close)
            owner.on_fatal(self._lost_commit)
            await owner.listen()
            reader = include_credits(owner, Reader(settings.data_folder, settings.store.database), settings)
            first = await first_steps(owner, reader, pepper, settings.tokens.prefix)
            servers, practice = await practice_servers(settings)
            if servers is not None:
                closing.push_async_callback(servers.close)
            stop_on_signals(self._stop)
            show = partial(_ready, settings, sock=sock, first=first)
            if settings.server.workers == 1:
                serving = ServingProcess(settings, owner, reader, pepper, practice)
                shift = await self._shift(serving, sock)
                announce(show(serving.catalogue, (*odd, *serving.notes)))
                await shift.work()
            else:
                hands = await self._hands(owner, sock, servers)
                catalogue, notes = build_catalogue(settings, practice)
                announce(show(catalogue, (*odd, *notes)))
                await hands.work()
        return self._exit

    async def _shift(self, serving: ServingProcess, sock: socket.socket) -> Shift:
        await serving.listen(sock)
        shift = Shift(serving, self._reload, self._stop)
        on_hangup(self._terminal, self._hung_up, shift.look_again)
        return shift

    async def _hands(self, owner: Owner, sock: socket.socket, servers: PracticeServers | None) -> Hands:
        count = self._settings.server.workers
        hands = Hands(self._orders.of(servers.base_urls if servers else None), one_each(sock, count), self._stop)
        owner.on_silent(hands.kill)
        on_hangup(self._terminal, self._hung_up, hands.reload)
        await hands.start(count)
        return hands

    def _hung_up(self) -> None:
        log.info("the terminal was closed")
        self._stop.set()

    def _lost_commit(self, error: BaseException) -> None:
        log.critical("a write's outcome is unknown (%s): stopping, to start again from what is on the disk", error)
        self._exit = LOST_COMMIT_EXIT
        self._stop.set()


def _ready(
    settings: Settings,
    catalogue: Catalogue,
    notes: tuple[str, ...],
    sock: socket.socket,
    first: tuple[str | None, str | None],
) -> Ready:
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    scheme = "https" if settings.server.tls_cert_file else "http"
    used = {endpoint.provider for model in catalogue.models.values() for endpoint in model.endpoints}
    callable_now = [p for p in catalogue.providers.values() if p.slug in used and p.usable and not p.disabled]
    return Ready(
        address=f"{scheme}://{shown}:{port}",
        data=settings.data_folder,
        database=None if settings.store.database is None else shown_address(settings.store.database),
        pid=os.getpid(),
        user=first[0],
        token=first[1],
        models=len(catalogue.models),
        providers=tuple(p.slug for p in callable_now),
        practice={p.slug: p.base_url for p in callable_now if p.practice},
        model=_first_callable(catalogue, {p.slug for p in callable_now}),
        certificate=Path(settings.server.tls_cert_file) if settings.server.tls_cert_file else None,
        workers=settings.server.workers,
        notes=notes,
    )


def _first_callable(catalogue: Catalogue, slugs: set[str]) -> str | None:
    for model in catalogue.models.values():
        if not model.retired and any(endpoint.provider in slugs for endpoint in model.endpoints):
            return model.id
    return None
