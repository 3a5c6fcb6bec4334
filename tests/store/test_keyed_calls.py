"""Keys of calls: claimed by one at a time, kept with what came of it, free where nothing did."""

import pytest

from waypost.domain.requests import first_number_at
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.keyed_calls import (
    ENDING_MS_MAX,
    KEPT_MS,
    RUNNING_MS_MAX,
    KeptReply,
    delete_expired,
    kept_replies,
    kept_reply,
)

NOW = 1_790_000_000_000
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
BODY, OTHER_BODY = b"b" * 32, b"c" * 32
CALL = """
  INSERT INTO calls (id, outcome, status, flags, hold_nano_usd, charge_nano_usd, gateway_us, total_us, trail, state)
  VALUES (:id, :outcome, 200, 0, 0, :charge, 0, 0, :trail, :state)
"""
DELIVERED, FAILED, LEFT = 1, 3, 4


def call_at(ms: int, writer: int = 0, count: int = 0) -> int:
    return first_number_at(ms) | writer << 15 | count


class Keys:
    """Claims at a time that moves when told."""

    def __init__(self, sql):
        self.sql = sql
        self.now = NOW

    def __call__(self, command, /, **args):
        return run_command(Desk(self.sql, self.now), f"keyed.{command}", args)

    def claim(self, call, *, key=KEY, body=BODY, user=1):
        return self("claim", user=user, key=key, body=body, call=call)

    def keep(self, call, sealed=b"sealed", **more):
        return self(
            "keep", **{"user": 1, "key": KEY, "call": call, "status": 200, "head": b"h", "sealed": sealed, **more}
        )

    def end(self, call, outcome=FAILED, charge=0, state=None):
        self.sql.run(CALL, {"id": call, "outcome": outcome, "charge": charge, "state": state, "trail": b""})


@pytest.fixture
def keys(sql):
    for name in ("ann", "bob"):
        run_command(Desk(sql, NOW), "user.create", {"name": name})
    return Keys(sql)


FIRST, SECOND = call_at(NOW), call_at(NOW, count=1)


def test_a_key_is_one_calls_at_a_time(keys) -> None:
    assert keys.claim(FIRST) == {"state": "yours"}
    assert keys.claim(SECOND) == {"state": "running", "call": FIRST, "status": 0, "head": b""}
    assert keys.claim(SECOND, body=OTHER_BODY)["state"] == "other"
    assert keys.claim(SECOND, key=OTHER_KEY)["state"] == "yours"
    assert keys.claim(SECOND, user=2)["state"] == "yours"


def test_what_was_answered_is_kept_for_a_day(keys) -> None:
    keys.claim(FIRST)
    assert keys.keep(FIRST)
    assert keys.claim(SECOND) == {"state": "answered", "call": FIRST, "status": 200, "head": b"h"}
    assert kept_reply(keys.sql, 1, KEY) == KeptReply(1, KEY, FIRST, b"sealed")
    assert keys.claim(SECOND, body=OTHER_BODY)["state"] == "other"
    keys.now += KEPT_MS - 1
    assert keys.claim(SECOND)["state"] == "answered"
    keys.now += 1
    assert keys.claim(SECOND, body=OTHER_BODY) == {"state": "yours"}
    assert kept_reply(keys.sql, 1, KEY) is None


def test_a_reply_that_was_too_long_holds_its_key_all_the_same(keys) -> None:
    keys.claim(FIRST)
    keys.keep(FIRST, None)
    assert keys.claim(SECOND)["state"] == "unkept"
    assert kept_reply(keys.sql, 1, KEY) is None


def test_what_came_to_nothing_lets_its_key_go(keys) -> None:
    keys.claim(FIRST)
    assert not keys("free", user=1, key=KEY, call=SECOND)
    assert keys("free", user=1, key=KEY, call=FIRST)
    assert keys.claim(SECOND, body=OTHER_BODY) == {"state": "yours"}
    assert not keys.keep(FIRST)
    assert not keys("free", user=1, key=KEY, call=FIRST)
    assert keys.claim(FIRST, body=OTHER_BODY)["state"] == "running"


def test_what_is_kept_cannot_be_let_go_or_kept_again(keys) -> None:
    keys.claim(FIRST)
    keys.keep(FIRST)
    assert not keys("free", user=1, key=KEY, call=FIRST)
    assert not keys.keep(FIRST, b"another")
    assert keys.claim(SECOND)["state"] == "answered"


@pytest.mark.parametrize(
    ("outcome", "charge", "state", "soon", "later"),
    [
        (FAILED, 0, 2, "yours", "yours"),
        (FAILED, 0, 3, "yours", "yours"),
        (FAILED, 0, None, "yours", "yours"),
        (LEFT, 0, 2, "yours", "yours"),
        (FAILED, 5, 1, "running", "unkept"),
        (LEFT, 5, 1, "running", "unkept"),
        (DELIVERED, 5, 1, "running", "unkept"),
        (DELIVERED, 0, 2, "running", "unkept"),
        (DELIVERED, 0, None, "running", "unkept"),
        (FAILED, 0, 0, "running", "running"),
    ],
)
def test_where_nobody_said_what_came_of_a_call_its_waybill_does(keys, outcome, charge, state, soon, later) -> None:
    for call, key in ((FIRST, KEY), (SECOND, OTHER_KEY)):
        keys.claim(call, key=key)
        keys.end(call, outcome, charge, state)
    third = call_at(NOW, count=2)
    assert keys.claim(third)["state"] == soon
    keys.now += ENDING_MS_MAX
    assert keys.claim(third, key=OTHER_KEY)["state"] == later


def test_a_claim_of_which_nothing_is_known_ends_when_no_call_lasts_so_long(keys) -> None:
    keys.claim(FIRST)
    keys.now += RUNNING_MS_MAX - 1
    assert keys.claim(SECOND)["state"] == "running"
    keys.now += 1
    assert keys.claim(SECOND)["state"] == "yours"


def test_the_claims_of_a_process_that_is_gone_end(keys) -> None:
    calls = {name: call_at(NOW, 3, count) for count, name in enumerate(("lost", "voided", "settled", "open"))}
    keys.end(calls["voided"], FAILED, 0, 2)
    keys.end(calls["settled"], FAILED, 5, 1)
    keys.end(calls["open"], FAILED, 0, 0)
    calls |= {"of another": call_at(NOW, 4), "later": call_at(NOW + 1, 3), "kept": call_at(NOW, 3, 9)}
    for name, call in calls.items():
        keys.claim(call, key=name.encode().ljust(32))
    keys.keep(calls["kept"], key=b"kept".ljust(32))
    assert keys("sweep", before=first_number_at(NOW + 1), writer=3) == 4
    after = {name: keys.claim(SECOND, key=name.encode().ljust(32))["state"] for name in calls}
    assert after == {
        "lost": "yours",
        "voided": "yours",
        "settled": "unkept",
        "open": "running",
        "of another": "running",
        "later": "running",
        "kept": "answered",
    }


def test_writer_0_is_every_process(keys) -> None:
    keys.claim(call_at(NOW, 4))
    keys("sweep", before=first_number_at(NOW + 1), writer=0)
    assert keys.claim(SECOND)["state"] == "yours"


def test_expired_ones_are_deleted(keys) -> None:
    keys.claim(FIRST)
    keys.claim(FIRST, key=OTHER_KEY)
    keys.keep(FIRST)
    assert delete_expired(keys.sql, NOW + KEPT_MS - 1) == 0
    assert delete_expired(keys.sql, NOW + KEPT_MS) == 2


def test_replies_are_sealed_anew_one_by_one(keys) -> None:
    for place in range(3):
        keys.claim(call_at(NOW, 0, place), key=bytes([place]) * 32)
        keys.keep(call_at(NOW, 0, place), b"sealed%d" % place, key=bytes([place]) * 32)
    first, second = kept_replies(keys.sql, 0, 2)
    (third,) = kept_replies(keys.sql, second.call, 2)
    assert [reply.sealed for reply in (first, second, third)] == [b"sealed0", b"sealed1", b"sealed2"]
    assert keys("reseal", user=1, key=first.key, was=b"sealed0", sealed=b"anew")
    assert not keys("reseal", user=1, key=second.key, was=b"something else", sealed=b"anew")
    assert [reply.sealed for reply in kept_replies(keys.sql, 0, 2)] == [b"anew", b"sealed1"]
