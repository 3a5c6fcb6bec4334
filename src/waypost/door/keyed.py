"""Chat calls with an Idempotency-Key: sent twice, made and charged once.

The first call with a key claims it durably before it goes anywhere. It is carried like every other, but for two things:
it goes on when its client leaves, because whoever sends a key comes back for the answer; and its last bytes wait until
what came of it is kept, so that who has the whole reply finds it kept. Who sends the same again gets the same bytes.

A key is its user's; to it belongs a digest of path, payer and body. As Stripe has it
(https://docs.stripe.com/api/idempotent_requests), but that a call which came to nothing lets its key go.
"""

from __future__ import annotations

import logging
import re
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol, cast

from waypost.domain.chat import ChatRequest
from waypost.domain.problems import Problem, Refusal
from waypost.domain.requests import request_id
from waypost.domain.waybill import Outcome, Waybill
from waypost.door.completions import ChatCall
from waypost.door.problems import ProblemWriter
from waypost.door.requests import ReadingRoom
from waypost.door.transcript import BODY_BYTES_MAX, Transcript
from waypost.identity.vault import REPLIES, Unopened, Vault
from waypost.journey import House, chat
from waypost.store.books import DataError
from waypost.store.keyed_calls import (
    ANSWERED,
    OTHER,
    RUNNING,
    UNKEPT,
    YOURS,
    KeptReply,
    reply_about,
)
from waypost.wire.http11_messages import Request
from waypost.wire.http11_replies import Reply

log = logging.getLogger("waypost.door")
HEADER: Final = b"idempotency-key"
PARAM: Final = "Idempotency-Key"
KEY: Final = re.compile(rb"[\x21-\x7e]{1,255}")
RETRY_SECONDS: Final = 2
STREAM: Final = b"content-type: text/event-stream"
REPLAYED: Final = b"idempotency-replayed: true\r\n"


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class ReplyReader(Protocol):
    """Reads kept replies. Blocking."""

    def kept_reply(self, user: int, key: bytes) -> KeptReply | None: ...


class KeyedCall(ChatCall):
    """A call with a key. What speaks against it is told on its journey, as all refusals are."""

    __slots__ = ("_ask", "_connection", "objection", "transcript")

    def __init__(
        self, request: Request, reply: Reply, bill: Waybill, problems: ProblemWriter, pinned: str | None
    ) -> None:
        self.transcript = Transcript(reply)
        super().__init__(request, cast("Reply", self.transcript), bill, problems, pinned)
        self._connection = reply
        self._ask: ChatRequest | None = None
        self.objection: Problem | None = None

    @property
    def key(self) -> bytes:
        """Digest of its key. Raises Refusal."""
        text = self._request.headers[HEADER]
        if not KEY.fullmatch(text):
            raise Refusal(
                "invalid_request",
                f"`{PARAM}` must be 1 to 255 visible ASCII characters.",
                why=f"it has {len(text)} bytes, or blanks among them",
                fix="Send something unique to this call, such as a UUID.",
                param=PARAM,
            )
        return sha256(text).digest()

    @property
    def digest(self) -> bytes:
        """Digest of what is asked: path, payer and body as they came."""
        request = self._request
        digest = sha256()
        for part in (request.path.encode(), request.headers.get(b"x-hf-bill-to", b"").strip(), request.body):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    @property
    def head(self) -> bytes:
        """The headers of its reply, without what is only true now, such as what is left of limits."""
        return self.transcript.head.removesuffix(self._extra)

    def read(self) -> ChatRequest:
        if self.objection is not None:
            raise self.objection
        if self._ask is None:
            self._ask = super().read()
        return self._ask

    def replay(self, status: int, head: bytes, body: bytes) -> None:
        """The reply of the call that was first."""
        head += REPLAYED + self._extra
        if STREAM in head:
            self._connection.begin(status, head)
            self._connection.finish(body)
        else:
            self._connection.send(status, head, body)


class Claim(NamedTuple):
    """A user's key, and the call that asks for it."""

    user: int
    key: bytes
    call: int

    @property
    def about(self) -> tuple[str, ...]:
        return reply_about(self.user, self.key, self.call)


class Found(NamedTuple):
    """What the store says of a key."""

    state: str
    call: int = 0
    """The call that has it."""
    status: int = 0
    head: bytes = b""


class KeyedCalls:
    """Carries keyed calls. `reader` and `room` find kept replies, `vault` seals and opens them."""

    def __init__(self, house: House, books: Books, reader: ReplyReader, room: ReadingRoom, vault: Vault) -> None:
        self._house = house
        self._books = books
        self._reader = reader
        self._room = room
        self._vault = vault

    def make(
        self, request: Request, reply: Reply, bill: Waybill, problems: ProblemWriter, pinned: str | None
    ) -> KeyedCall:
        return KeyedCall(request, reply, bill, problems, pinned)

    async def carry(self, call: KeyedCall) -> None:
        """One call, from its claim to its last byte."""
        claim = self._claim_of(call)
        found = None if claim is None else await self._found(call, claim)
        if claim is not None and found is not None and found.state == ANSWERED:
            body = await self._kept_body(claim._replace(call=found.call))
            if body is not None:
                await self._replay(call, found, body)
                return
            call.objection = _unkept(found.call)
        await chat(call, self._house)
        if claim is not None and found is not None and found.state == YOURS:
            await self._conclude(call, claim)
        call.transcript.let_go()

    def _claim_of(self, call: KeyedCall) -> Claim | None:
        """What it would claim; None where its journey will end with the same refusal as here."""
        try:
            key = call.key
        except Refusal as refusal:
            call.objection = refusal
            return None
        bill, identity = call.bill, self._house.identity
        try:
            bill.caller = identity.who(call.credential())
            bill.request = call.read()
            bill.payer = identity.payer(bill.caller, bill.request.bill_to)
        except Problem:
            return None
        return Claim(bill.caller.user.id, key, bill.id)

    async def _found(self, call: KeyedCall, claim: Claim) -> Found | None:
        """Whose the key is. Where the call may not go out, it objects."""
        try:
            answer = await self._books.run("keyed.claim", {**claim._asdict(), "body": call.digest})
        except Problem as problem:
            call.objection = problem
            return None
        found = Found(**answer)
        if found.state == RUNNING:
            call.objection = _in_progress(found.call)
        elif found.state == OTHER:
            call.objection = _mismatch(found.call)
        elif found.state == UNKEPT:
            call.objection = _unkept(found.call)
        return found

    async def _conclude(self, call: KeyedCall, claim: Claim) -> None:
        """Keep what was answered or charged, and let go the key of what came to nothing."""
        bill = call.bill
        try:
            if bill.outcome is Outcome.DELIVERED or bill.charge_nano_usd > 0:
                sealed = self._sealed(call.transcript.body, claim)
                kept = {"status": bill.status, "head": call.head, "sealed": sealed}
                await self._books.run("keyed.keep", {**claim._asdict(), **kept})
            else:
                await self._books.run("keyed.free", claim._asdict())
        except Problem as problem:  # its waybill says what came of it to who asks for the key later
            log.warning("what came of the keyed call %s could not be kept: %s", bill.request_id, problem)

    def _sealed(self, body: bytes | None, claim: Claim) -> bytes | None:
        if body is None:
            return None
        try:
            return self._vault.seal(REPLIES, body, claim.about)
        except DataError as error:
            log.warning("the reply of the keyed call %s cannot be sealed: %s", request_id(claim.call), error)
            return None

    async def _kept_body(self, first: Claim) -> bytes | None:
        """The reply of the call that was first; None where it cannot be read any more."""
        try:
            kept = await self._room.read(lambda: self._reader.kept_reply(first.user, first.key))
            return None if kept is None else self._vault.open(REPLIES, kept.sealed, first.about)
        except (Problem, Unopened, DataError) as error:
            log.warning("the kept reply of %s cannot be read: %r", request_id(first.call), error)
            return None

    async def _replay(self, call: KeyedCall, found: Found, body: bytes) -> None:
        """Say it again. That was asked and answered is written down, as everything is; nobody is charged."""
        bill, house = call.bill, self._house
        bill.outcome, bill.status = Outcome.DELIVERED, found.status
        bill.why = f"The reply of {request_id(found.call)} was sent again, for it has the same {PARAM}."
        bill.ms = (house.clock() - call.arrived) * 1000
        try:
            await house.books.file(bill)
        except Problem as problem:
            call.refused(problem)
            call.transcript.let_go()
        else:
            call.replay(found.status, found.head, body)
        house.meter.ended(bill)


def _in_progress(call: int) -> Refusal:
    return Refusal(
        "idempotency_in_progress",
        f"A call with this {PARAM} has not ended yet.",
        why=f"request {request_id(call)} has the key, and is under way",
        fix="Send the call again when it has ended: you get its reply.",
        param=PARAM,
        retry_after_seconds=RETRY_SECONDS,
        extra={"first_request_id": request_id(call)},
    )


def _mismatch(call: int) -> Refusal:
    return Refusal(
        "idempotency_mismatch",
        f"This {PARAM} belongs to another request.",
        why=f"request {request_id(call)} had it, with another path, payer or body",
        fix="Use a new key for each request, and the same key only to send the same request again.",
        param=PARAM,
        extra={"first_request_id": request_id(call)},
    )


def _unkept(call: int) -> Refusal:
    number = request_id(call)
    return Refusal(
        "idempotency_unkept",
        f"The call with this {PARAM} was made, and its reply is not kept.",
        why=f"request {number} had the key; its reply was longer than {BODY_BYTES_MAX} bytes, or was cut off",
        fix=f"See what came of it at GET /v1/requests/{number}. To have it answered anew, send it with another key.",
        param=PARAM,
        extra={"first_request_id": number},
    )
