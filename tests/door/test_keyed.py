"""What keyed calls are told apart by. How they are carried is tried in the whole house: `road/test_keyed_calls.py`."""

import pytest

from waypost.domain.problems import Refusal
from waypost.domain.waybill import Waybill
from waypost.door.keyed import KeyedCall
from waypost.door.problems import problem_writer
from waypost.wire.http11_messages import Request


class Nowhere:
    """A reply that nobody gets."""

    gone = False


def call(key: bytes = b"k1", path: str = "/v1/chat/completions", body: bytes = b"{}", **headers: bytes) -> KeyedCall:
    fields = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    request = Request("POST", path.encode(), path, b"", {b"idempotency-key": key, **fields})
    request.body = body
    return KeyedCall(request, Nowhere(), Waybill(1, 0, "req_1"), problem_writer("waypost"), None)


@pytest.mark.parametrize("key", [b"k", b"k" * 255, b"8e03978e-40d5-43dd-bc93-6894a57f9324", b'"quoted"', b"~!"])
def test_a_key_is_1_to_255_visible_characters(key) -> None:
    assert len(call(key).key) == 32


@pytest.mark.parametrize("key", [b"", b"k" * 256, b"a b", b"a, b", b"\xfc", b"a\tb", b"a\n"])
def test_everything_else_is_refused(key) -> None:
    with pytest.raises(Refusal, match="1 to 255 visible"):
        _ = call(key).key


def test_keys_of_different_letters_are_different() -> None:
    assert len({call(key).key for key in (b"k", b"K", b"kk", b'"k"')}) == 4


def test_path_payer_and_body_make_another_request_and_nothing_else_does() -> None:
    same = {
        call().digest,
        call(b"other-key").digest,
        call(authorization=b"Bearer x").digest,
        call(x_hf_session_id=b"s").digest,
        call(x_hf_bill_to=b" ").digest,
    }
    others = {
        call(body=b"{ }").digest,
        call(path="/alpha/v1/chat/completions").digest,
        call(x_hf_bill_to=b"acme").digest,
        call(path="/v1/chat/completionsacme").digest,
        call(x_hf_bill_to=b"{}", body=b"").digest,
    }
    assert len(same) == 1
    assert len(others | same) == 6
