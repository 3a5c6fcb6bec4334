"""Kept bodies are bounded, however long the answer is and wherever it stands."""

from __future__ import annotations

from types import SimpleNamespace

from waypost.domain.waybill import Waybill
from waypost.door.completions import KEPT_BYTES_MAX, ChatCall
from waypost.door.problems import OwnWords
from waypost.wire.http11_messages import Request


def test_of_request_and_reply_at_most_so_much_is_kept() -> None:
    request = Request("POST", b"/", "/", b"", {})
    request.body = b"q" * (KEPT_BYTES_MAX + 1)
    reply = SimpleNamespace(write=lambda data: None)
    call = ChatCall(request, reply, Waybill(1, 0, "req_1"), OwnWords(), None)
    call.keep()
    call.writer()(b"a" * 10)
    asked, answered = call.kept(b"t" * (2 * KEPT_BYTES_MAX))
    assert len(asked) == len(answered) == KEPT_BYTES_MAX
    assert answered.startswith(b"a" * 10 + b"t")
    assert call.kept(b"end")[1] == b"a" * 10 + b"end"
