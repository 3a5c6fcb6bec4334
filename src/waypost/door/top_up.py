"""POST /api/webhooks/top-up: whoever takes the money says that somebody paid, and signs what it says.

The same message twice, or late, moves nothing: every payment has an id of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from starlette.responses import Response

from waypost.domain.ledger import Movement
from waypost.domain.money import nano_usd
from waypost.domain.problems import Refusal
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.credit_routes import Reader, free_outside_id, movement_json
from waypost.door.forms import invalid, read_form
from waypost.door.requests import ReadingRoom
from waypost.door.signatures import HEADER, check_signature
from waypost.store.accounts import account_for

ROUTE: Final = "top_up"
SHOWN_CHARS_MAX: Final = 80


class PaymentForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payment. Amounts are whole nano-USD, or USD as a text."""

    id: str
    payer: str
    """A user's or organisation's name."""
    amount_nano_usd: int | None = None
    amount_usd: str | None = None
    note: str = ""


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class TopUp:
    """Answers for the route. `clock_ms` is Unix milliseconds."""

    def __init__(
        self, secret: bytes, books: Books, reader: Reader, room: ReadingRoom, clock_ms: Callable[[], int]
    ) -> None:
        self._secret = secret
        self._books = books
        self._reader = reader
        self._room = room
        self._clock_ms = clock_ms

    def handlers(self) -> Mapping[str, Handler]:
        """By route name."""
        return {ROUTE: self.top_up}

    async def top_up(self, ask: Ask) -> Response:
        """Durable when it answers; the sender may send it again until it hears so."""
        body = await ask.http.body()
        check_signature(self._secret, ask.http.headers.get(HEADER), body, self._clock_ms() / 1000)
        form = await read_form(ask.http, PaymentForm)
        account = await self._room.read(lambda: self._reader.ask(lambda sql: account_for(sql, form.payer)))
        if account is None:
            raise Refusal(
                "not_found",
                f"There is no user or organisation {form.payer[:SHOWN_CHARS_MAX]!r}.",
                why="nothing was moved",
                fix="Make it, or correct `payer`, and send the message again.",
                param="payer",
            )
        wanted = {
            "account": account,
            "amount": _amount(form),
            "outside_id": free_outside_id(form.id),
            "note": form.note,
        }
        movement: Movement = await self._books.run("credits.topup", wanted)
        return json_response(movement_json(movement), 200 if movement.again else 201)


def _amount(form: PaymentForm) -> int:
    if (form.amount_nano_usd is None) == (form.amount_usd is None):
        raise invalid("amount_nano_usd", "there, or `amount_usd`, and not both")
    if form.amount_nano_usd is not None:
        return form.amount_nano_usd
    try:
        return nano_usd(form.amount_usd or "")
    except ValueError:
        raise invalid("amount_usd", 'an amount of USD such as "12.50"') from None
