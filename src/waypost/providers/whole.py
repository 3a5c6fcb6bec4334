"""An answer in one piece (`stream` false): read, believed or not, and handed on with our model name in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from waypost.domain.chat import ChatRequest
from waypost.domain.endpoints import Provider
from waypost.providers.flow import DONE, End, Flow, Reply
from waypost.providers.metering import estimate, reported_cost, usage_json, usage_of, words_in
from waypost.providers.renaming import Renaming
from waypost.providers.replies import Verdict, judge_embedded
from waypost.wire.foreign_json import UNREADABLE, read_foreign


class Choice(msgspec.Struct, gc=False):
    """One of a completion's answers."""

    message: msgspec.Raw = msgspec.Raw()


class Completion(msgspec.Struct, gc=False):
    """What we read of a chat completion; unset where the provider left it out."""

    choices: list[Choice] | None = None
    usage: Any = None
    model: Any = None
    error: Any = None
    id: Any = None
    created: Any = None


_read = msgspec.json.Decoder(Completion).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_whole(body: bytes, status: int, provider: Provider) -> Completion | Verdict:
    """Understand the body of a 200; a verdict where it is no answer."""
    try:
        completion = read_foreign(_read, body)
    except UNREADABLE:
        return Verdict("provider_failed", "sent a body that is not a chat completion", status=status)
    if completion.error:
        return judge_embedded(completion.error, status, provider.secrets)
    if not completion.choices:
        return Verdict("provider_failed", "sent an answer without choices", status=status)
    return completion


def words_of(found: Completion) -> int:
    """About how many words the provider said, where it did not count them."""
    return words_in(sum(len(bytes(choice.message)) for choice in found.choices or ()))


def handed_on(body: bytes, found: Completion, ask: ChatRequest) -> bytes:
    """The provider's bytes with our model name; what clients cannot do without is filled in where it is missing."""
    missing: dict[str, Any] = {}
    if not isinstance(found.usage, dict):
        missing["usage"] = usage_json(estimate(ask, words_of(found)))
    if not isinstance(found.created, int):
        missing["created"] = int(datetime.now(UTC).timestamp())
    if not isinstance(found.id, str):
        missing["id"] = f"chatcmpl-{uuid4().hex}"
    if not missing and found.model == ask.model:
        return body
    renaming = Renaming(ask.model)
    renaming.learn(body, found.model)
    if not missing and renaming.old and body.count(renaming.old) == 1:
        return renaming.apply(body)
    return msgspec.json.encode({**read_foreign(_fields, body), "model": ask.model, **missing})


class WholeFlow(Flow):
    """One attempt at a whole answer: its first word is its last."""

    _first = b""
    """Nearly always the whole body comes in one piece."""
    _more: list[bytes] | None = None

    async def pour(self, reply: Reply) -> End:
        """Nothing is left to be waited for, and all of the answer is the tail."""
        assert self._end is not None  # noqa: S101 (the first word came with the end)
        return self._end

    def _take(self, data: bytes) -> None:
        if not self._first:
            self._first = data
        elif self._more is None:
            self._more = [data]
        else:
            self._more.append(data)

    def _complete(self) -> None:
        body = self._first if self._more is None else b"".join((self._first, *self._more))
        found = read_whole(body, self.attempt.status, self.candidate.provider)
        if isinstance(found, Verdict):
            self._refuse(found)
            return
        usage = usage_of(found.usage)
        words = 0 if usage is not None else words_of(found)
        tail = handed_on(body, found, self.ask)
        self._say_first_word()
        self._finish(End(DONE, usage, tail, words, reported_nano_usd=reported_cost(found.usage)))
