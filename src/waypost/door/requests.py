"""GET /v1/requests and /v1/requests/{id}: what happened to past requests.

A caller sees its own user's, an admin one by one also what its organisation paid for; an operator sees everybody's, and
the ring of unknown callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from starlette.responses import Response

from waypost.domain.callers import ORG_BILLING_READ, Caller
from waypost.domain.payers import ORGANISATION, Member, Organisation
from waypost.domain.problems import Refusal
from waypost.domain.requests import request_number
from waypost.domain.waybill import Outcome
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import Query, invalid
from waypost.identity.scopes import allows
from waypost.store.books import Filters, Page

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 50
READERS_MAX: Final = 4
WAITING_MAX: Final = 64
FILTERS: Final = (
    "caller", "token", "model", "provider", "outcome", "code", "status", "policy", "session", "since", "until",
    "before", "limit", "strangers",
)  # fmt: skip

Found = TypeVar("Found")


class Reader(Protocol):
    """Reads waybills. Blocking."""

    def page(self, filters: Filters) -> Page: ...
    def find(self, number: int) -> dict[str, Any] | None: ...
    def strangers(self, limit: int) -> list[dict[str, Any]]: ...


class Memberships(Protocol):
    """Organisations and who is in them, from memory."""

    def find(self, name: str) -> Organisation | None: ...
    def member(self, organisation: Organisation, user_id: int) -> Member | None: ...


class ReadingRoom:
    """Lets few readers into the archive at once, each in a thread of its own."""

    def __init__(self, seats: int = READERS_MAX, waiting_max: int = WAITING_MAX) -> None:
        self._seats = asyncio.Semaphore(seats)
        self._inside_max = seats + waiting_max
        self._inside = 0

    async def read(self, look: Callable[[], Found]) -> Found:
        """Look something up. Raises Refusal `overloaded` where too many wait already."""
        if self._inside >= self._inside_max:
            raise Refusal(
                "overloaded", "Too many look-ups are waiting.", fix="Try again in a second.", retry_after_seconds=1
            )
        self._inside += 1
        try:
            async with self._seats:
                return await asyncio.to_thread(look)
        finally:
            self._inside -= 1


class Requests:
    """Answers for the routes of past requests."""

    def __init__(self, reader: Reader, room: ReadingRoom, memberships: Memberships) -> None:
        self._reader = reader
        self._room = room
        self._memberships = memberships

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {"list_requests": self.list_requests, "get_request": self.get_request}

    async def list_requests(self, ask: Ask) -> Response:
        """A page of waybills, newest first."""
        query = Query(ask.http, FILTERS)
        limit = query.whole("limit", 1, LIMIT_MAX, LIMIT_DEFAULT)
        if query.flag("strangers"):
            _require_operator(ask, "see the unknown callers")
            Query(ask.http, ("strangers", "limit"))
            strangers = await self._room.read(lambda: self._reader.strangers(limit))
            return json_response({"object": "list", "data": strangers, "has_more": False})
        filters = _filters(query, ask, limit)
        page = await self._room.read(lambda: self._reader.page(filters))
        shown: dict[str, Any] = {"object": "list", "data": page.items, "has_more": page.next is not None}
        if page.next is None:
            return json_response(shown)
        here = ask.http.url.include_query_params(before=page.next)
        link = f'<{here.path}?{here.query}>; rel="next"'
        return json_response({**shown, "next": page.next}, headers={"link": link})

    async def get_request(self, ask: Ask) -> Response:
        """One waybill. Another user's is as unknown as one that never was."""
        text = ask.hole("id")
        number = request_number(text)
        bill = None if number is None else await self._room.read(lambda: self._reader.find(number))
        if bill is None or not self._may_see(ask.user, bill):
            raise Refusal(
                "request_not_found",
                f"There is no request {text[:40]!r} of yours.",
                why="nothing is kept under this id" if number is not None else "an id is req_ and 13 characters",
                fix="GET /v1/requests lists your requests; old ones are deleted after a while.",
            )
        return json_response(bill)

    def _may_see(self, caller: Caller, bill: dict[str, Any]) -> bool:
        """Its own, and what an organisation paid for whose bills it may read."""
        if caller.user.operator or bill["caller"]["user"] == caller.user.name:
            return True
        payer = bill["payer"]
        organisation = None if payer is None else self._memberships.find(payer["name"])
        if organisation is None or payer["type"] != ORGANISATION:
            return False
        member = self._memberships.member(organisation, caller.user.id)
        admin = member is not None and member.role == "admin"
        return admin and allows(caller, ORG_BILLING_READ, ("org", organisation.name))


def _filters(query: Query, ask: Ask, limit: int) -> Filters:
    user = ask.user.user
    whose = query.text("caller")
    if whose != user.name and not user.operator:
        if whose is not None:
            _require_operator(ask, "list another user's requests")
        whose = user.name
    outcomes = {str(outcome): outcome for outcome in Outcome}
    status = query.whole("status", 0, 999, -1)
    return Filters(
        user=whose,
        token=query.text("token"),
        model=query.text("model"),
        provider=query.text("provider"),
        outcome=query.read("outcome", Outcome, f"one of {', '.join(outcomes)}"),
        code=query.text("code"),
        status=None if status < 0 else status,
        session=query.text("session"),
        policy=query.text("policy"),
        since_ms=query.time_ms("since"),
        until_ms=query.time_ms("until"),
        before=_before(query),
        limit=limit,
    )


def _before(query: Query) -> str | None:
    before = query.text("before")
    if before is not None and request_number(before) is None:
        raise invalid("before", "a request id, as `next` of a page gives it", f"it is {before[:40]!r}")
    return before


def _require_operator(ask: Ask, what: str) -> None:
    if not ask.user.user.operator:
        raise Refusal(
            "operator_only",
            f"Only an operator may {what}.",
            why=f"user {ask.user.user.name} is none",
            fix="Leave the filter out to see your own requests.",
        )
