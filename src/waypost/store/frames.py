"""What the owner and the other processes say to each other over the Unix socket.

A frame is four bytes of length and a MessagePack list of messages: everything a side had to say in one turn of its
event loop, so that it is one write. A worker's waybills come as rows; they are numbered by their order.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from waypost.domain.callers import Token, User
from waypost.domain.ledger import Movement
from waypost.domain.own_keys import ProviderKey
from waypost.domain.payers import Member, Organisation
from waypost.domain.problems import CODES, Failed, Problem, Refusal
from waypost.domain.pulse import PulseDelta
from waypost.store.books import Change, Counter, Mark, Retention
from waypost.store.counters import Grant
from waypost.store.slices import Returned

LENGTH_BYTES: Final = 4
FRAME_BYTES_MAX: Final = 1 << 30


class Up(msgspec.Struct, frozen=True, array_like=True):
    """From a worker or a visitor to the owner."""


class Hello(Up, frozen=True, tag=0):
    """The first message of a connection."""

    pid: int
    serves: bool
    """A worker: it counts, hears changes and readings. Otherwise a visit of the command line."""


class Bills(Up, frozen=True, tag=1):
    """Rows of waybills, of calls that ended and of calls that run, and of unknown callers."""

    rows: list[Any]
    strangers: list[Any]
    prices: list[list[Any]] = []
    """What they were held at and nobody said before, each as the values of a Price."""


class Question(Up, frozen=True, tag=2):
    """May I use so much of a counter? Amount 0 asks for a slice alone; a `unit` is what one call takes."""

    number: int
    counter: Counter
    amount: int
    unit: int


class GivenBack(Up, frozen=True, tag=3):
    """What is not needed any more."""

    what: Returned


class Request(Up, frozen=True, tag=4):
    """A command to run."""

    number: int
    command: str
    args: dict[str, Any]


class Seen(Up, frozen=True, tag=5):
    """Changes up to this number are in force here."""

    seq: int


class Felt(Up, frozen=True, tag=6):
    """A worker's readings of endpoints."""

    deltas: list[PulseDelta]


class Marks(Up, frozen=True, tag=8):
    """How far a worker's calls have come."""

    marks: list[Mark]


class Keep(Up, frozen=True, tag=7):
    """The settings' word on how long waybills are kept."""

    retention: Retention


class Down(msgspec.Struct, frozen=True, array_like=True):
    """From the owner to a worker or a visitor."""


class Welcome(Down, frozen=True, tag=0):
    """The answer to Hello."""

    writer: int
    readings: list[PulseDelta]


class Written(Down, frozen=True, tag=1):
    """So many waybills were written, in their order."""

    count: int


class Unwritten(Down, frozen=True, tag=2):
    """So many waybills, the next in their order, could not be written."""

    count: int
    problem: tuple[Any, ...]


class Answer(Down, frozen=True, tag=3):
    """The answer to a Question."""

    number: int
    grant: Grant


class Recall(Down, frozen=True, tag=4):
    """Give back what you have not spent of this counter."""

    key: str


class Result(Down, frozen=True, tag=5):
    """What a command came to."""

    number: int
    value: tuple[str, Any]
    """As `packed_value` makes it."""


class Refused(Down, frozen=True, tag=6):
    """Why a command was not done."""

    number: int
    problem: tuple[Any, ...]


class News(Down, frozen=True, tag=7):
    """Identities that changed, to be acknowledged by Seen. Each as seq, at_ms, id and `packed_value`."""

    changes: list[tuple[int, int, int, tuple[str, Any]]]


class Readings(Down, frozen=True, tag=8):
    """Other workers' readings."""

    deltas: list[PulseDelta]


class Condition(Down, frozen=True, tag=9):
    """Why nothing can be written now; None when it can again."""

    trouble: str | None


AnyUp = Hello | Bills | Question | GivenBack | Request | Seen | Felt | Keep | Marks
AnyDown = Welcome | Written | Unwritten | Answer | Recall | Result | Refused | News | Readings | Condition

VALUES: Final = {
    "user": User,
    "token": Token,
    "organisation": Organisation,
    "member": Member,
    "provider_key": ProviderKey,
    "movement": Movement,
}

_encoder = msgspec.msgpack.Encoder()
pack_row = _encoder.encode
"""A row on its own, so that one that cannot be packed is found before it spoils a frame."""
up_decoder = msgspec.msgpack.Decoder(list[AnyUp])
down_decoder = msgspec.msgpack.Decoder(list[AnyDown])


def frame(messages: list[Any]) -> bytes:
    """Messages as they go over the wire."""
    buffer = bytearray(LENGTH_BYTES)
    _encoder.encode_into(messages, buffer, LENGTH_BYTES)
    buffer[:LENGTH_BYTES] = (len(buffer) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return bytes(buffer)


class Unframer:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now. Raises ValueError for one that is too long."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= LENGTH_BYTES:
            length = int.from_bytes(self._buffer[start : start + LENGTH_BYTES], "big")
            if length > FRAME_BYTES_MAX:
                raise ValueError(f"a frame of {length} bytes")
            end = start + LENGTH_BYTES + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + LENGTH_BYTES : end]))
            start = end
        del self._buffer[:start]
        return frames


def packed_value(value: Any) -> tuple[str, Any]:
    """A command's result with what it is."""
    return (_subject(value), value)


def unpacked_value(packed: tuple[str, Any]) -> Any:
    """The result again."""
    subject, value = packed
    kind = VALUES.get(subject)
    return value if kind is None else msgspec.convert(value, kind)


def packed_changes(changes: list[Change]) -> list[tuple[int, int, int, tuple[str, Any]]]:
    """Changes as News carries them."""
    return [(change.seq, change.at_ms, change.id, packed_value(change.value)) for change in changes]


def unpacked_changes(packed: list[tuple[int, int, int, tuple[str, Any]]]) -> list[Change]:
    """The changes again."""
    return [Change(seq, at_ms, value[0], number, unpacked_value(value)) for seq, at_ms, number, value in packed]


def _subject(value: Any) -> str:
    return next((name for name, kind in VALUES.items() if isinstance(value, kind)), "plain")


def packed_problem(problem: Problem) -> tuple[Any, ...]:
    """A Problem as plain values."""
    kind = isinstance(problem, Failed)
    return (
        kind,
        problem.code,
        problem.message,
        problem.why,
        problem.fix,
        problem.param,
        problem.retry_after_seconds,
        problem.extra,
    )


def unpacked_problem(values: tuple[Any, ...]) -> Problem:
    """The Problem again."""
    failed, code, message, why, fix, param, retry_after_seconds, extra = values
    return (Failed if failed else Refusal)(
        code if code in CODES else "internal_error",
        message,
        why=why,
        fix=fix,
        param=param,
        retry_after_seconds=retry_after_seconds,
        extra=extra,
    )
