"""Calls with an Idempotency-Key: the commands that claim a key for a call, keep what came of it, and let it go.

A key is claimed by one call at a time, in one transaction, before that call goes anywhere. What ended without a charge
and without an answer lets it go; what was answered, or charged, holds it until it expires.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from waypost.domain.ledger import HoldState
from waypost.domain.requests import COUNT_BITS, WRITER_BITS, first_number_at
from waypost.domain.waybill import Outcome
from waypost.store.desk import Command, Commands, Desk
from waypost.store.rows import OUTCOMES
from waypost.store.sql import Sql

KEPT_MS: Final = 24 * 3_600_000
RUNNING_MS_MAX: Final = 3_600_000
"""A claim this old of whose call nothing is known is nobody's: no call lasts so long."""
ENDING_MS_MAX: Final = 60_000
"""So long after its end a call may still be about to be kept."""
YOURS, RUNNING, ANSWERED, UNKEPT, OTHER = "yours", "running", "answered", "unkept", "other"
NOTHING_KEPT: Final = 0
"""The status of a claim whose call was answered or charged, with no reply kept."""
DELETE_ROWS: Final = 256
CALL_MAX: Final = (1 << 63) - 1
CLAIM: Final = """
  SELECT body_digest, call, expires_at, status, head FROM keyed_calls WHERE user_id = :user AND key_digest = :key
"""
TAKE: Final = """
  INSERT INTO keyed_calls (user_id, key_digest, body_digest, call, expires_at) VALUES (:user, :key, :body, :call, :end)
  ON CONFLICT (user_id, key_digest) DO UPDATE SET body_digest = excluded.body_digest, call = excluded.call,
    expires_at = excluded.expires_at, status = NULL, head = NULL, sealed = NULL
"""
KEEP: Final = """
  UPDATE keyed_calls SET status = :status, head = :head, sealed = :sealed
  WHERE user_id = :user AND key_digest = :key AND call = :call AND status IS NULL
"""
FREE: Final = """
  DELETE FROM keyed_calls WHERE user_id = :user AND key_digest = :key AND call = :call AND status IS NULL
"""
RESEAL: Final = """
  UPDATE keyed_calls SET sealed = :sealed WHERE user_id = :user AND key_digest = :key AND sealed = :was
"""
REPLY: Final = "SELECT call, sealed FROM keyed_calls WHERE user_id = :user AND key_digest = :key"
ENDED: Final = "SELECT state, outcome, charge_nano_usd, total_us FROM calls WHERE id = :call"
DEAD: Final = f"""
  SELECT user_id, key_digest, call FROM keyed_calls
  WHERE status IS NULL AND call < :before AND (:writer = 0 OR ((call >> {COUNT_BITS}) & :mask) = :writer)
"""  # noqa: S608 (a constant)
EXPIRED: Final = """
  DELETE FROM keyed_calls WHERE (user_id, key_digest) IN
    (SELECT user_id, key_digest FROM keyed_calls WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit)
"""
REPLIES: Final = """
  SELECT user_id, key_digest, call, sealed FROM keyed_calls
  WHERE sealed IS NOT NULL AND call > :after ORDER BY call LIMIT :limit
"""


class ClaimArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keyed.claim: SHA-256 of the key and of what is asked, and the number of the call that asks."""

    user: int
    key: bytes
    body: bytes
    call: int


class KeepArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keyed.keep. Without `sealed` the reply was too long to be kept."""

    user: int
    key: bytes
    call: int
    status: int
    head: bytes
    sealed: bytes | None


class FreeArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keyed.free."""

    user: int
    key: bytes
    call: int


class SweepArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keyed.sweep: claims of calls before a number, of one writer; 0 is all."""

    before: int
    writer: int


class ResealArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keyed.reseal."""

    user: int
    key: bytes
    was: bytes
    sealed: bytes


class KeptReply(NamedTuple):
    """A reply as it is kept."""

    user: int
    key: bytes
    call: int
    sealed: bytes


def claim(desk: Desk, args: ClaimArgs) -> dict[str, Any]:
    """Whose the key is: `state`, and of a call that had it before `call`, `status` and `head`.

    `yours`: the call may go out. `running`: another with this key has not ended. `answered`: its reply is kept.
    `unkept`: it was answered or charged, and there is no reply to show. `other`: the key belongs to another request.
    """
    row = desk.sql.row(CLAIM, {"user": args.user, "key": args.key})
    state = YOURS if row is None else _state(desk, args, row)
    if row is None or state == YOURS:
        values = {"user": args.user, "key": args.key, "body": args.body, "call": args.call}
        desk.sql.run(TAKE, values | {"end": desk.now_ms + KEPT_MS})
        return {"state": YOURS}
    _, call, _, status, head = row
    return {"state": state, "call": call, "status": status or 0, "head": bytes(head or b"")}


def keep(desk: Desk, args: KeepArgs) -> bool:
    """What came of the call; False where the key is not its any more."""
    values = {"user": args.user, "key": args.key, "call": args.call}
    more = {"status": args.status if args.sealed else NOTHING_KEPT, "head": args.head, "sealed": args.sealed}
    return bool(desk.sql.run(KEEP, values | more))


def free(desk: Desk, args: FreeArgs) -> bool:
    """Nothing came of the call: its key may be used again."""
    values = {"user": args.user, "key": args.key, "call": args.call}
    return bool(desk.sql.run(FREE, values))


def sweep(desk: Desk, args: SweepArgs) -> int:
    """A process is gone, and its calls are over. How many claims that ended."""
    return end_claims(desk.sql, args.writer, args.before)


def end_claims(sql: Sql, writer: int = 0, before: int = CALL_MAX) -> int:
    """End the claims of a process that is gone, when its open calls are swept; 0: of all that ever were. How many."""
    rows = sql.rows(DEAD, {"before": before, "writer": writer, "mask": (1 << WRITER_BITS) - 1})
    for user, key, call in rows:
        values = {"user": user, "key": bytes(key), "call": call}
        row = sql.row(ENDED, {"call": call})
        if row is None or not _came_to_something(row):
            sql.run(FREE, values)
        elif row[0] != HoldState.OPEN:  # what is open is still to be swept, and then says for itself what it came to
            sql.run(KEEP, values | {"status": NOTHING_KEPT, "head": None, "sealed": None})
    return len(rows)


def reseal(desk: Desk, args: ResealArgs) -> bool:
    """The same reply under another key of ours."""
    values = {"user": args.user, "key": args.key, "was": args.was, "sealed": args.sealed}
    return bool(desk.sql.run(RESEAL, values))


def kept_reply(sql: Sql, user: int, key: bytes) -> KeptReply | None:
    """The reply that a key has, if one is kept."""
    row = sql.row(REPLY, {"user": user, "key": key})
    return None if row is None or row[1] is None else KeptReply(user, key, row[0], bytes(row[1]))


def kept_replies(sql: Sql, after: int, limit: int) -> list[KeptReply]:
    """Every kept reply, by the number of its call."""
    rows = sql.rows(REPLIES, {"after": after, "limit": limit})
    return [KeptReply(user, bytes(key), call, bytes(sealed)) for user, key, call, sealed in rows]


def delete_expired(sql: Sql, now_ms: int) -> int:
    """Some of the claims whose time is up. How many."""
    return sql.run(EXPIRED, {"now": now_ms, "limit": DELETE_ROWS})


def _state(desk: Desk, args: ClaimArgs, row: Sequence[Any]) -> str:
    body, call, expires_at, status, _ = row
    if expires_at <= desk.now_ms:
        return YOURS
    if status is None:
        status, running = _of_the_call(desk, call)
        if running:
            return RUNNING if bytes(body) == args.body else OTHER
        if status is None:
            return YOURS
    if bytes(body) != args.body:
        return OTHER
    return UNKEPT if status == NOTHING_KEPT else ANSWERED


def _of_the_call(desk: Desk, call: int) -> tuple[int | None, bool]:
    """What the books say of a call that has a key and has not said what came of it: status, and whether it runs."""
    row = desk.sql.row(ENDED, {"call": call})
    began_ms = call >> (WRITER_BITS + COUNT_BITS)
    if row is None:
        return None, desk.now_ms - began_ms < RUNNING_MS_MAX
    if row[0] == HoldState.OPEN:
        return None, True
    if not _came_to_something(row):
        return None, False
    return NOTHING_KEPT, desk.now_ms - began_ms - row[3] // 1000 < ENDING_MS_MAX


def _came_to_something(row: Sequence[Any]) -> bool:
    """It was answered, or charged, or still may be."""
    state, outcome, charge, _ = row
    return bool(state == HoldState.OPEN or outcome == OUTCOMES[Outcome.DELIVERED] or charge > 0)


def reply_about(user: int, key: bytes, call: int) -> tuple[str, ...]:
    """What a sealed reply is bound to."""
    return (f"user:{user}", key.hex(), str(call))


def claims_before(now_ms: int) -> int:
    """The number before which every call is that of a process that is gone by now."""
    return first_number_at(now_ms)


COMMANDS: Final[Commands] = {
    "keyed.claim": Command(ClaimArgs, claim),
    "keyed.keep": Command(KeepArgs, keep),
    "keyed.free": Command(FreeArgs, free),
    "keyed.sweep": Command(SweepArgs, sweep),
    "keyed.reseal": Command(ResealArgs, reseal),
}
