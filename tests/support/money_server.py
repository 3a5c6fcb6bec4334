"""A running server with money in it, in one process or with workers; and what tests of its routes ask of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from waypost_process import Waypost, waypost

from waypost.door.signatures import HEADER, signature

SECRET = b"a secret of thirty-two characters"
SETTINGS = '[credits]\nwebhook_secret_env = "TOP_UP_SECRET"\n'
BILLING = "/api/settings/billing"
WEBHOOK = "/api/webhooks/top-up"
names = itertools.count(1)


@pytest.fixture(scope="session", params=["1", "2"], ids=["one process", "two workers"])
def server(request, tmp_path_factory) -> Iterator[Waypost]:
    folder = tmp_path_factory.mktemp("money")
    environment = {"TOP_UP_SECRET": SECRET.decode()}
    with waypost(folder, SETTINGS, "--workers", request.param, environment=environment) as running:
        yield running


@pytest.fixture
def acme(server) -> str:
    """A fresh organisation whose admin is the first user."""
    name = f"acme-{next(names)}"
    made = server.ask("POST", "/api/organizations", json={"name": name, "admin": server.running.user})
    assert made.status_code == 201, made.text
    return name


def now_seconds() -> int:
    return int(datetime.now(UTC).timestamp())


def pay(server: Waypost, payment: dict | bytes, secret: bytes = SECRET) -> httpx.Response:
    body = payment if isinstance(payment, bytes) else json.dumps(payment).encode()
    signed = signature(secret, now_seconds(), body)
    return httpx.post(server.address + WEBHOOK, content=body, headers={HEADER: signed}, timeout=30)


def balance(server: Waypost, name: str) -> int:
    return server.ask("GET", f"/api/organizations/{name}/billing/credits").json()["balance_nano_usd"]


def chat(server: Waypost, **headers: str) -> dict:
    body = {"model": "practice/sage", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    reply = server.ask("POST", "/v1/chat/completions", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return server.waybill(reply.headers["x-request-id"])


def code_of(reply: httpx.Response) -> str:
    return reply.headers.get("x-error-code", "")
