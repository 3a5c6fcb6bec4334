"""The door's cold side with real parts behind it: a catalogue, a planner, people with tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
from crossroads import Crossroads, endpoint, model, provider, usd

from waypost.domain.callers import INFERENCE, SCOPES, Caller, Token, User
from waypost.domain.chat import Need
from waypost.domain.problems import Refusal
from waypost.door.cold import Gate, Handler, cold_app
from waypost.door.cors import Cors
from waypost.door.hub import Hub
from waypost.door.models import Models
from waypost.door.problems import problem_writer
from waypost.door.routes import ROUTES, ChatPaths

CREATED = 1_750_000_000


def caller(name: str, *, token_id: int = 1, scopes: Any = SCOPES, operator: bool = False, **token: Any) -> Caller:
    user = User(token_id, name, fullname=name.title(), email=f"{name}@example.com", operator=operator)
    kept = Token(token_id, b"", token_id, f"{name}'s token", token.pop("kind", "write"), "abcd", 0, **token)
    return Caller(user, kept, frozenset(scopes))


class People:
    """Who shows which token. Changing a caller is what a change of rights looks like from the door."""

    def __init__(self) -> None:
        self.by_token = {
            b"Bearer anna": caller("anna"),
            b"Bearer otto": caller("otto", token_id=2, operator=True),
            b"Bearer ines": caller("ines", token_id=3, scopes=[INFERENCE]),
        }

    def who(self, authorization: bytes | None) -> Caller:
        if authorization is None:
            raise Refusal("token_missing", "No token came.", fix="Send one.")
        if authorization not in self.by_token:
            raise Refusal("token_unknown", "This token is none of ours.", fix="Make one.")
        return self.by_token[authorization]

    def require(self, who: Caller, scope: str) -> None:
        if scope not in who.scopes:
            raise Refusal("scope_missing", f"The token lacks {scope}.", extra={"user": who.user.name})

    def prefer(self, name: str, **preferences: Any) -> None:
        key = f"Bearer {name}".encode()
        known = self.by_token[key]
        user = replace(known.user, preferences=replace(known.user.preferences, **preferences))
        self.by_token[key] = replace(known, user=user, version=known.version + 1)


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
        gate = Gate(self.people, problem_writer(style), self.next_id, Cors(origins))
        current = self.crossroads
        self.models = Models(
            lambda: current.catalogue, lambda: current.planner, lambda: self.now, current.pulse.reading
        )
        hub = Hub(lambda: current.catalogue, lambda: current.planner)
        all_handlers = dict.fromkeys((row.name for row in ROUTES), _nobody)
        all_handlers |= {**self.models.handlers(), **hub.handlers(), **handlers}
        self.chats = ChatPaths(current.catalogue.providers.values())
        self.app = cold_app(gate, all_handlers, lambda: self.chats)

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
