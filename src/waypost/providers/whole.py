"""An answer in one piece (`stream` false): read, believed or not, and handed on with our model name in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from waypost.domain.chat import ChatRequest, Usage
from waypost.domain.endpoints import Deadlines
from waypost.domain.plans import Candidate
from waypost.providers.flow import End, EndKind, Flow
from waypost.providers.metering import estimate, usage_json, usage_of, words_in
from waypost.providers.renaming import Renaming
from waypost.providers.replies import Verdict, judge_embedded
from waypost.providers.watch import Watch
from waypost.wire.foreign_json import UNREADABLE, read_foreign


class Completion(msgspec.Struct):
    """What we read of a chat completion; unset where the provider left it out."""

    choices: list[dict[str, msgspec.Raw]] | None = None
    usage: Any = None
    model: Any = None
    error: Any = None
    id: Any = None
    created: Any = None


_read = msgspec.json.Decoder(Completion).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class WholeAnswer(NamedTuple):
    """A completion that can be handed on."""

    completion: Completion
    usage: Usage | None
    words: int


def read_whole(body: bytes, status: int, secrets: tuple[str, ...] = ()) -> WholeAnswer | Verdict:
    """Understand the body of a 200; a verdict where it is no answer."""
    try:
        completion = read_foreign(_read, body)
    except UNREADABLE:
        return Verdict("provider_failed", "sent a body that is not a chat completion", status=status)
    if completion.error:
        return judge_embedded(completion.error, status, secrets)
    if not completion.choices:
        return Verdict("provider_failed", "sent an answer without choices", status=status)
    usage = usage_of(completion.usage)
    words = (
        usage.output_total if usage else words_in(sum(len(bytes(c.get("message", b""))) for c in completion.choices))
    )
    return WholeAnswer(completion, usage, words)


def handed_on(body: bytes, answer: WholeAnswer, ask: ChatRequest) -> bytes:
    """The provider's bytes with our model name; what clients cannot do without is filled in where it is missing."""
    found = answer.completion
    missing: dict[str, Any] = {}
    if not isinstance(found.usage, dict):
        missing["usage"] = usage_json(answer.usage or estimate(ask, answer.words))
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

    def __init__(
        self, candidate: Candidate, ask: ChatRequest, deadlines: Deadlines, started: float, watch: Watch
    ) -> None:
        super().__init__(candidate, ask, deadlines, started, watch)
        self._pieces: list[bytes] = []

    def _take(self, data: bytes) -> None:
        self._pieces.append(data)

    def _complete(self) -> None:
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        read = read_whole(body, self.attempt.status, self.candidate.provider.secrets)
        if isinstance(read, Verdict):
            self._refuse(read)
            return
        tail = handed_on(body, read, self.ask)
        self._say_first_word()
        self._finish(End(EndKind.DONE, read.usage, tail, read.words))

    def _release(self) -> None:
        """Nothing goes out before the end."""
