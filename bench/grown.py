"""Data folders as a small and as a large installation has them: models, tokens and waybills."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import apsw

from bench.load import Route
from bench.targets import COMMON_SETTINGS, Running, Speech
from waypost.domain.endpoints import Endpoint, Model, Sheet
from waypost.domain.money import Price
from waypost.identity.pepper import read_pepper
from waypost.identity.tokens import Digester, mint
from waypost.routing.sheets import write_sheet
from waypost.store.folder_lock import FolderLock
from waypost.store.sqlite.folder import open_writer
from waypost.store.sqlite.many_rows import ManyRows

T = TypeVar("T")
ROOT: Final = Path(__file__).resolve().parent.parent
SUPPORT: Final = ROOT / "tests" / "support"
ENDPOINTS: Final = 8
TOKENS_PER_USER: Final = 10
REQUESTS: Final = 2_000
"""So many pairs of token and model take turns."""
MAKE_USERS: Final = ManyRows("INSERT", "users", ("name", "created_at"))
MAKE_TOKENS: Final = ManyRows("INSERT", "tokens", ("digest", "user_id", "name", "kind", "last4", "created_at"))


class Size(NamedTuple):
    """How large an installation is."""

    models: int
    tokens: int
    waybills: int

    def __str__(self) -> str:
        return f"{self.models:,} models × {ENDPOINTS} endpoints, {self.tokens:,} tokens, {self.waybills:,} waybills"


FEW: Final = Size(10, 10, 0)
MANY: Final = Size(10_000, 100_000, 200_000)
FULL: Final = Size(10_000, 100_000, 10_000_000)


class Installation(NamedTuple):
    """A folder that was filled, and who may call there."""

    folder: Path
    secrets: tuple[str, ...]
    models: int

    def route(self, running: Running) -> Route:
        """Calls by all tokens to all models, each used in proportion to 1/rank, as people use things."""
        choose = random.Random(1)
        models = _by_rank(choose, range(self.models))
        secrets = _by_rank(choose, self.secrets)
        requests = [
            Speech().request("whole", model_id(model), {"authorization": f"Bearer {secret}"})
            for model, secret in zip(models, secrets, strict=True)
        ]
        return Route(running.name, running.port, requests, stream=False)


def make(folder: Path, size: Size) -> Installation:
    """Fill a folder; the token of the first caller lies where `Waypost` looks for it."""
    data = folder / "data"
    data.mkdir(parents=True)
    if size.waybills:
        write_waybills(data, size.waybills)
    write_sheet(data / "catalogue", sheet(size.models))
    secrets = write_tokens(data, size.tokens)
    (folder / "token").write_text(secrets[0])
    return Installation(folder, tuple(secrets), size.models)


def settings(upstream: int) -> str:
    """A model for the first answer, and the providers that the catalogue speaks of."""
    base_url = f"http://127.0.0.1:{upstream}/whole/v1"
    providers = "".join(f'[providers.{slug(number)}]\nbase_url = "{base_url}"\n' for number in range(ENDPOINTS))
    first = f'[models."bench/whole".{slug(0)}]\ninput_usd_per_million = "0.10"\noutput_usd_per_million = "0.30"\n'
    return COMMON_SETTINGS + providers + first


def sheet(models: int) -> Sheet:
    """A catalogue in which every model runs at every provider, at prices and speeds of its own."""
    today = datetime.now(UTC).date().isoformat()
    return Sheet("bench", "bench", today, tuple(Model(model_id(each), endpoints(each)) for each in range(models)))


def endpoints(model: int) -> tuple[Endpoint, ...]:
    """The endpoints of a model."""
    return tuple(
        Endpoint(
            model_id(model),
            slug(place),
            model_id(model),
            price=Price(100_000_000 + place, 300_000_000 + place, None, None, 0),
            context_length=131_072,
            first_token_ms=100.0 + place,
            output_tokens_per_s=50.0 + place,
        )
        for place in range(ENDPOINTS)
    )


def model_id(number: int) -> str:
    """A model's id."""
    return f"grown/model-{number}"


def slug(number: int) -> str:
    """A provider's slug."""
    return f"canned-{number}"


def write_waybills(data: Path, count: int) -> None:
    """As years of use leave them; by the generator that the store's own tests use."""
    path = os.pathsep.join([str(SUPPORT), str(ROOT / "src")])
    command = [sys.executable, str(SUPPORT / "many_calls.py"), str(count), str(data)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL)


def write_tokens(data: Path, count: int) -> list[str]:
    """Users with tokens, written past the owner; gives the secrets."""
    digester, now = Digester(read_pepper(data)), time.time_ns() // 1_000_000
    minted = [mint("wp_") for _ in range(count)]
    lock = FolderLock(data)
    lock.take()
    connection = open_writer(data, lock)
    with connection:
        first = _make_users(connection, (count + TOKENS_PER_USER - 1) // TOKENS_PER_USER, now)
        rows = [
            (
                digester.digest(each.secret.encode()),
                first + place // TOKENS_PER_USER,
                f"t{place}",
                "write",
                each.last4,
                now,
            )
            for place, each in enumerate(minted)
        ]
        MAKE_TOKENS.write(connection, rows)
    connection.close()
    lock.release()
    return [each.secret for each in minted]


def _by_rank(choose: random.Random, ranked: Sequence[T]) -> list[T]:
    return choose.choices(ranked, [1 / rank for rank in range(1, len(ranked) + 1)], k=REQUESTS)


def _make_users(connection: apsw.Connection, count: int, now: int) -> int:
    """Make so many; gives the first one's id."""
    first = int(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM users").get)
    MAKE_USERS.write(connection, [(f"caller-{number}", now) for number in range(count)])
    return first
