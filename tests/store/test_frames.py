import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_bills import Bills, sample_caller

from waypost.domain.endpoints import Preferences
from waypost.domain.ledger import Movement, Transfer
from waypost.domain.payers import Member, Organisation, Rules
from waypost.domain.problems import Failed, Problem, Refusal
from waypost.domain.pulse import PulseDelta
from waypost.store.books import Change, Counter
from waypost.store.counters import Grant
from waypost.store.frames import (
    FRAME_BYTES_MAX,
    Answer,
    Felt,
    GivenBack,
    Hello,
    News,
    Question,
    Readings,
    Recall,
    Refused,
    Request,
    Result,
    Seen,
    Unframer,
    Unwritten,
    Welcome,
    Written,
    down_decoder,
    frame,
    packed_changes,
    packed_problem,
    packed_value,
    unpacked_changes,
    unpacked_problem,
    unpacked_value,
    up_decoder,
)
from waypost.store.frames import (
    Bills as BillsMessage,
)
from waypost.store.rows import RowMaker
from waypost.store.slices import Returned

DELTA = PulseDelta(("acme/one", "alpha"), 5, (1.5, 2.0))
UPS = [
    Hello(7, serves=True),
    Question(1, Counter("k", 10, 60), 1, 1),
    GivenBack(Returned("k", 3, -4, recalled=True)),
    Request(2, "user.create", {"name": "ada"}),
    Seen(9),
    Felt([DELTA]),
]
DOWNS = [
    Welcome(3, [DELTA]),
    Written(5),
    Answer(1, Grant(True, 9, 30, 77, 0)),
    Recall("k"),
    Result(2, ("plain", None)),
    Readings([DELTA]),
]


@pytest.mark.parametrize(("messages", "decoder"), [(UPS, up_decoder), (DOWNS, down_decoder)])
def test_every_message_arrives_as_it_was_said(messages, decoder):
    (packed,) = Unframer().feed(frame(messages))
    assert decoder.decode(packed) == messages


def test_a_waybills_row_arrives_as_it_was_made():
    row = RowMaker().row(next(Bills()))
    (packed,) = Unframer().feed(frame([BillsMessage([row], [])]))
    (message,) = up_decoder.decode(packed)
    assert msgspec.msgpack.encode(message.rows[0]) == msgspec.msgpack.encode(row)


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=8), st.lists(st.integers(1, 9), min_size=1))
def test_frames_are_whole_wherever_the_stream_is_cut(contents, cuts):
    stream = b"".join(frame(content) for content in contents)
    unframer, frames, start, turn = Unframer(), [], 0, 0
    while start < len(stream):
        size = cuts[turn % len(cuts)]
        frames += unframer.feed(stream[start : start + size])
        start, turn = start + size, turn + 1
    assert [msgspec.msgpack.decode(packed) for packed in frames] == contents


def test_a_frame_beyond_the_limit_is_refused_before_it_is_read():
    with pytest.raises(ValueError, match="a frame of"):
        Unframer().feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("kind", [Refusal, Failed])
def test_a_problem_keeps_everything_on_its_way(kind):
    problem = kind("rate_limited", "slow", why="w", fix="f", param="p", retry_after_seconds=3, extra={"a": 1})
    (packed,) = Unframer().feed(frame([Refused(1, packed_problem(problem)), Unwritten(2, packed_problem(problem))]))
    refused, unwritten = down_decoder.decode(packed)
    for message in (refused, unwritten):
        again = unpacked_problem(message.problem)
        assert type(again) is kind
        assert isinstance(again, Problem)
        assert vars(again) == vars(problem)


def test_users_and_tokens_keep_their_type_on_their_way():
    caller = sample_caller()
    changes = [Change(1, 2, "user", 1, caller.user), Change(2, 3, "token", 1, caller.token)]
    (packed,) = Unframer().feed(frame([News(packed_changes(changes)), Result(1, packed_value(caller.token))]))
    news, result = down_decoder.decode(packed)
    assert unpacked_changes(news.changes) == changes
    assert unpacked_value(result.value) == caller.token


def test_organisations_and_members_keep_their_type_on_their_way():
    rules = Rules(frozenset({"acme/one"}), frozenset({"acme/two"}), None, "admin", True, True)
    organisation = Organisation(3, "acme", "Acme", 5, 0, None, 7, Preferences(order=("alpha",)), rules)
    member = Member(3, 1, "write", 9, 5, 6)
    changes = [Change(1, 2, "organisation", 3, organisation), Change(2, 3, "member", 8, member)]
    (packed,) = Unframer().feed(frame([News(packed_changes(changes)), Result(1, packed_value(member))]))
    news, result = down_decoder.decode(packed)
    assert unpacked_changes(news.changes) == changes
    assert unpacked_value(result.value) == member


def test_what_a_command_did_with_credits_arrives_as_it_was():
    transfer = Transfer(7, 1, "grant", "granted", "user:1", 5, "pay-1", expires_at=9)
    movement = Movement("user:1", 5, 0, transfer, (("user:1", 5),), (("user:1:202611", -2),))
    (packed,) = Unframer().feed(frame([Result(1, packed_value(movement))]))
    (result,) = down_decoder.decode(packed)
    assert unpacked_value(result.value) == movement
