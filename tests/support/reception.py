"""The door's cold side with real parts behind it: a catalogue, a planner, people with tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
from crossroads import START_MS, Crossroads, endpoint, model, provider, usd

from waypost.domain.callers import INFERENCE, Caller, Token, User
from waypost.domain.chat import Need
from waypost.domain.payers import Organisation
from waypost.door.cold import Gate, Handler, cold_app
from waypost.door.cors import Cors
from waypost.door.hub import Hub, Purses
from waypost.door.models import Models
from waypost.door.paths import ChatPaths
from waypost.door.problems import problem_writer
from waypost.door.routes import ROUTES
from waypost.identity.registry import Identity
from waypost.identity.tokens import Minted, mint

CREATED = 1_750_000_000
PEPPER = b"pepper"


UNKNOWN = mint("wp_").secret
"""A whole token that nobody here has."""


class People:
    """Three users with a token each, whose secret is the user's name; and who else a test brings in."""

    def __init__(self) -> None:
        self.identity = Identity(PEPPER, lambda: START_MS)
        self._count = 0
        self.join("anna")
        self.join("otto", operator=True)
        self.join("ines", kind="fineGrained", permissions=frozenset([INFERENCE]))

    def join(self, name: str, secret: str = "", *, operator: bool = False, kind: str = "write", **token: Any) -> None:
        """A user with one token, whose secret is the user's name where none is given."""
        self._count += 1
        number, secret = self._count, secret or name
        user = User(number, name, fullname=name.title(), email=f"{name}@example.com", operator=operator)
        digest = Minted(secret).digest(PEPPER)
        kept = Token(number, digest, number, f"{name}'s token", kind, secret[-4:], 0, **token)
        self.identity.load([user], [kept])

    def caller(self, name: str) -> Caller:
        return self.identity.who(f"Bearer {name}".encode())

    def change(self, name: str, **fields: Any) -> None:
        """What a committed change of a user is to every process."""
        self.identity.load([replace(self.caller(name).user, **fields)], [])

    def prefer(self, name: str, **preferences: Any) -> None:
        self.change(name, preferences=replace(self.caller(name).user.preferences, **preferences))


def small_catalogue() -> Crossroads:
    """Two models at three providers, one of which has no key."""
    return Crossroads(
        model(
            endpoint(
                "alpha",
                price=usd(0.1, 0.3),
                context_length=32_768,
                abilities=Need.TOOLS,
                abilities_known=True,
                output_tokens_per_s=120.0,
                first_token_ms=200.0,
            ),
            endpoint("beta", is_model_author=True, is_free=True),
            endpoint("keyless", context_length=0),
            created=CREATED,
        ),
        model("beta", name="acme/two", created=CREATED, input_modalities=("text", "image")),
        model("alpha", name="acme/gone", retired="2026-06-01"),
        model(name="acme/uno", alias_of="acme/one"),
        keyless=provider("keyless", keyless=False),
    )


class Reception:
    """The cold application, asked through ASGI."""

    def __init__(
        self,
        crossroads: Crossroads | None = None,
        style: str = "waypost",
        origins: Any = (),
        **handlers: Handler,
    ) -> None:
        self.crossroads = crossroads or small_catalogue()
        self.people = People()
        self.now = 1000.0
        self.count = 0
        gate = Gate(self.people.identity, problem_writer(style), self.next_id, Cors(origins))
        current = self.crossroads
        self.models = Models(
            lambda: current.catalogue, lambda: current.planner, lambda: self.now, current.pulse.reading
        )
        hub = Hub(
            lambda: current.catalogue, lambda: current.planner, Purses(self.people.identity.memberships, self._free)
        )
        all_handlers = dict.fromkeys((row.name for row in ROUTES), _nobody)
        all_handlers |= {**self.models.handlers(), **hub.handlers(), **handlers}
        self.chats = ChatPaths(current.catalogue.providers.values())
        self.app = cold_app(gate, all_handlers, lambda: self.chats)

    async def _free(self, user_id: int, organisations: list[Organisation]) -> dict[str, int]:
        """Everybody has a dollar."""
        return dict.fromkeys([f"user:{user_id}", *(f"org:{one.id}" for one in organisations)], 1_000_000_000)

    def next_id(self) -> str:
        self.count += 1
        return f"req_{self.count:013}"

    async def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://waypost.test") as client:
            return await client.request(method, path, headers=headers, **more)

    async def get(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        return await self.ask("GET", path, token, **more)


async def _nobody(ask: Any) -> Any:
    raise AssertionError("this test asks no such route")
