"""What every refusal must look like, whoever is refused and wherever."""

from __future__ import annotations

import json
import re

from wayside import MODEL, Road
from wire_site import Answer

from waypost.domain.problems import CODES
from waypost.door.routes import ROUTES, Route

THERE = [route for route in ROUTES if not route.optional]
"""Routes that are there without any settings."""
REQUEST_ID = re.compile(r"req_[0-9A-Z]{13}")
STATUSES = {code: {row.status} for code, row in CODES.items()} | {"model_not_found": {400, 404}, "RepoNotFound": {404}}
"""Where the model stands in the path, its absence is the path's; the last is the Hub's own word."""
FIELDS = {"message", "type", "param", "code", "why", "fix", "request_id"}


def check(answer: Answer, *, bodiless: bool = False) -> str | None:
    """The code of a refusal, which is as our documents say; None for what went well."""
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"]), answer
    assert answer.status < 500 or answer.status == 505, answer  # 505: another version of HTTP, as its standard has it
    if answer.status < 400:
        return None
    code = answer.headers["x-error-code"]
    assert answer.status in STATUSES[code], answer
    assert answer.headers["x-error-message"]
    assert ("allow" in answer.headers) == (answer.status == 405)
    assert ("www-authenticate" in answer.headers) == (answer.status == 401)
    if not bodiless:
        assert answer.headers["content-type"] == "application/json"
        shown = json.loads(answer.body)
        told = shown["error"] if isinstance(shown["error"], dict) else shown  # the Hub's clients want a text there
        assert told.keys() >= FIELDS
        assert told["code"] == code or (code == "RepoNotFound" and told["code"] in {"model_not_found", "not_found"})
        assert told["request_id"] == answer.headers["x-request-id"]
        assert shown["message"] == told["message"] != ""
    return code


async def ask(door: Road, data: bytes, *, bodiless: bool = False) -> str | None:
    """Send raw bytes on a connection of their own; the code of the answer."""
    async with door.client() as client:
        client.send(data)
        return check(await client.answer(bodiless=bodiless), bodiless=bodiless)


def path_of(route: Route) -> str:
    """A path of this route."""
    path = route.template
    for hole, value in {"model:path": MODEL, "id": "1", "provider": "alpha", "name": "acme", "user": "ann"}.items():
        path = path.replace(f"{{{hole}}}", value)
    return path
