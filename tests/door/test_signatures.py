"""Signatures: what was signed now, with our secret, for this body; and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.problems import Refusal
from waypost.door.signatures import TOLERANCE_SECONDS, check_signature, signature

SECRET = b"sixteen bytes or"
NOW = 1_790_000_000


def holds(header: str | None, body: bytes = b"{}", secret: bytes = SECRET, now: float = NOW) -> bool:
    try:
        check_signature(secret, header, body, now)
    except Refusal:
        return False
    return True


def test_the_refusal_has_a_code_of_its_own_and_repeats_no_secret() -> None:
    with pytest.raises(Refusal) as caught:
        check_signature(SECRET, signature(b"another secret of ours", NOW, b"{}"), b"{}", NOW)
    assert caught.value.code == "signature_invalid"
    assert SECRET.decode() not in f"{caught.value.message}{caught.value.why}{caught.value.fix}"


def test_it_is_the_hmac_of_time_stop_and_body() -> None:
    """Worked out with `printf '1790000000.{}' | openssl dgst -sha256 -hmac 'sixteen bytes or'`."""
    assert signature(SECRET, NOW, b"{}") == (
        "t=1790000000,v1=ef57c526e6f5d5e7ac9c2a363f73a06002231140d27fdf5e25d72aeee4e085f6"
    )


@given(st.binary(), st.integers(-TOLERANCE_SECONDS, TOLERANCE_SECONDS))
def test_what_was_signed_holds_for_five_minutes_either_way(body: bytes, age: int) -> None:
    assert holds(signature(SECRET, NOW, body), body, now=NOW + age)


@pytest.mark.parametrize("age", [TOLERANCE_SECONDS + 1, -TOLERANCE_SECONDS - 1, 10**9])
def test_what_is_older_or_from_the_future_does_not(age: int) -> None:
    assert not holds(signature(SECRET, NOW, b"{}"), now=NOW + age)


@given(st.binary(min_size=1), st.data())
def test_any_other_body_secret_or_time_does_not(body: bytes, data: st.DataObject) -> None:
    good = signature(SECRET, NOW, body)
    place = data.draw(st.integers(0, len(body) - 1))
    other = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
    assert not holds(good, other)
    assert not holds(good, body, SECRET + b"!")
    assert not holds(good.replace(str(NOW), str(NOW + 1)), body)


@given(st.text())
def test_no_text_is_more_than_refused(header: str) -> None:
    assert not holds(header)


def test_while_a_secret_is_changed_one_of_two_signatures_is_enough() -> None:
    old = signature(b"the secret before it", NOW, b"{}")
    new = signature(SECRET, NOW, b"{}")
    assert holds(f"{old},{new.split(',')[1]}")
    assert holds(f"{new} , {old.split(',')[1]}")
    many = ",".join(["v1=" + "0" * 64] * 8)
    assert not holds(f"t={NOW},{many},{new.split(',')[1]}"), "at most eight are tried"


@pytest.mark.parametrize("header", [None, "", "t=,v1=", "v1=" + "0" * 64, "t=1790000000", "t=\u0661,v1=" + "0" * 64])
def test_what_is_no_signature_at_all_is_refused(header: str | None) -> None:
    assert not holds(header)
