"""Credits over HTTP: what an account has and what moved on it; operators give credits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
from starlette.responses import Response

from waypost.domain.ledger import Movement, Transfer, period_of
from waypost.domain.payers import Organisation
from waypost.domain.problems import Refusal
from waypost.domain.requests import request_id
from waypost.door.admission import no_organisation
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import Query, invalid, iso, read_form, read_time_ms
from waypost.door.requests import ReadingRoom
from waypost.store.accounts import account_for, transfers
from waypost.store.sql import Sql
from waypost.store.statements import Statement, statement

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200
SHOWN_CHARS_MAX: Final = 80
ID_MAX: Final = (1 << 63) - 1
RESERVED: Final = "included:"
"""Under outside ids that begin so, we give each month's credits ourselves."""
KINDS: Final = {"grant": "credits.grant", "topup": "credits.topup"}
Answer = TypeVar("Answer")


class CreditsForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Credits to be given. The same outside id twice is once."""

    amount_nano_usd: int
    kind: str = "grant"
    outside_id: str | None = None
    note: str = ""
    expires_at: str | None = None


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class Reader(Protocol):
    """Reads the data. Blocking."""

    def ask(self, question: Callable[[Sql], Answer]) -> Answer: ...


class Memberships(Protocol):
    """Organisations, from memory."""

    def find(self, name: str) -> Organisation | None: ...


class Holder(NamedTuple):
    """Whose account it is."""

    type: str
    name: str
    account: str
    included: int
    """Credits that come with this month."""


class CreditRoutes:
    """Answers for the routes. `included` says what a month brings to an organisation, or (None) to a user."""

    def __init__(
        self,
        books: Books,
        reader: Reader,
        room: ReadingRoom,
        memberships: Memberships,
        included: Callable[[Organisation | None], int],
        clock_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._reader = reader
        self._room = room
        self._memberships = memberships
        self._included = included
        self._clock_ms = clock_ms

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {
            "credits": self.credits,
            "organisation_credits": self.credits,
            "give_user_credits": self.give_user,
            "give_organisation_credits": self.give_organisation,
        }

    async def credits(self, ask: Ask) -> Response:
        """Of the caller, or of the organisation in the path; a page of transfers, newest first."""
        query = Query(ask.http, ("before", "limit"))
        before, limit = query.whole("before", 1, ID_MAX, ID_MAX), query.whole("limit", 1, LIMIT_MAX, LIMIT_DEFAULT)
        holder = self.holder(ask)
        period = period_of(self._clock_ms())

        def look(sql: Sql) -> tuple[Statement, list[Transfer]]:
            found = transfers(sql, holder.account, before, limit + 1)
            return statement(sql, holder.account, period, holder.included), found

        told, moved = await self._room.read(lambda: self._reader.ask(look))
        page = moved[:limit]
        more = {"next": page[-1].id} if len(moved) > limit else {}
        shown_page = {"data": [transfer_json(one, holder.account) for one in page], "has_more": bool(more), **more}
        return json_response({**statement_json(told, holder), "transfers": shown_page})

    def holder(self, ask: Ask) -> Holder:
        """Whose account a route is about."""
        if ask.of is not None:
            return Holder("organisation", ask.of.name, f"org:{ask.of.id}", self._included(ask.of))
        user = ask.user.user
        return Holder("user", user.name, f"user:{user.id}", self._included(None))

    async def give_user(self, ask: Ask) -> Response:
        """Operators alone come here."""
        name = ask.hole("user")
        account = await self._room.read(lambda: self._reader.ask(lambda sql: account_for(sql, name)))
        if account is None or not account.startswith("user:"):
            raise Refusal("not_found", f"There is no user {name[:SHOWN_CHARS_MAX]!r}.", fix="Check how it is spelled.")
        return await self._give(ask, account)

    async def give_organisation(self, ask: Ask) -> Response:
        """Operators alone come here."""
        organisation = self._memberships.find(ask.hole("name"))
        if organisation is None:
            raise no_organisation(ask.hole("name"))
        return await self._give(ask, f"org:{organisation.id}")

    async def _give(self, ask: Ask, account: str) -> Response:
        form = await read_form(ask.http, CreditsForm)
        command = KINDS.get(form.kind)
        if command is None:
            raise invalid("kind", f"one of {', '.join(KINDS)}", f"it is {form.kind[:SHOWN_CHARS_MAX]!r}")
        if form.kind == "topup" and form.outside_id is None:
            raise invalid("outside_id", "there for a top-up", "without it the same payment could count twice")
        wanted = {
            "account": account,
            "amount": form.amount_nano_usd,
            "note": form.note,
            "outside_id": free_outside_id(form.outside_id),
            "expires_at": _end(form.expires_at, self._clock_ms()),
            "by": ask.user.user.id,
        }
        movement: Movement = await self._books.run(command, wanted)
        return json_response(movement_json(movement), 200 if movement.again else 201)


def free_outside_id(outside_id: str | None) -> str | None:
    """The same. Raises Refusal for one that we use ourselves."""
    if outside_id is not None and outside_id.startswith(RESERVED):
        raise invalid("outside_id", f"a name that does not begin with {RESERVED!r}", "that is ours")
    return outside_id


def statement_json(told: Statement, holder: Holder) -> dict[str, Any]:
    """An account as the API writes it."""
    return {
        "payer": {"type": holder.type, "name": holder.name},
        "account": holder.account,
        "balance_nano_usd": told.balance,
        "held_nano_usd": told.account.held,
        "free_nano_usd": told.free,
        "floor_nano_usd": told.account.floor,
        "included_nano_usd": holder.included,
        "included_left_nano_usd": told.included_left,
        "lots": [
            {
                "id": lot.id,
                "kind": lot.kind,
                "note": lot.note,
                "remaining_nano_usd": lot.remaining,
                "expires_at": iso(lot.expires_at),
            }
            for lot in told.lots
        ],
    }


def transfer_json(transfer: Transfer, account: str) -> dict[str, Any]:
    """A transfer as the account sees it: what it took is negative. What it does not have is left out."""
    more = {
        "outside_id": transfer.outside_id,
        "request": None if transfer.call is None else request_id(transfer.call),
        "about": transfer.about,
        "note": transfer.note or None,
        "expires_at": None if transfer.expires_at is None else iso(transfer.expires_at),
    }
    return {
        "id": transfer.id,
        "at": iso(transfer.at_ms),
        "kind": transfer.kind,
        "amount_nano_usd": transfer.amount if transfer.credit == account else -transfer.amount,
        **{name: value for name, value in more.items() if value is not None},
    }


def movement_json(movement: Movement) -> dict[str, Any]:
    """What a command did, as the API writes it."""
    transfer = movement.transfer
    return {
        "account": movement.account,
        "balance_nano_usd": movement.balance,
        "floor_nano_usd": movement.floor,
        "transfer": None if transfer is None else transfer_json(transfer, movement.account),
        "again": movement.again,
    }


def _end(text: str | None, now_ms: int) -> int | None:
    if text is None:
        return None
    try:
        ends = read_time_ms(text)
    except (ValueError, OverflowError, OSError):
        raise invalid("expires_at", 'an ISO time such as "2027-01-01T00:00:00Z"', "it is none") from None
    if ends <= now_ms:
        raise invalid("expires_at", "in the future", f"it is {iso(ends)}")
    return ends
