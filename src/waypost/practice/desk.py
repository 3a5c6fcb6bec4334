"""One provider's site behind the HTTP server: routes, the key, the models it runs, and a script for every call."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from waypost.domain.chat import Need
from waypost.domain.endpoints import Endpoint
from waypost.domain.problems import Problem, Refusal
from waypost.practice import canned, dialect, faults
from waypost.practice.answers import Answer, answer, prompt_tokens
from waypost.practice.asked import Asked, BadAsk, read
from waypost.practice.pacing import Wheel
from waypost.practice.player import Player
from waypost.practice.profiles import CREATED, PracticeProvider
from waypost.practice.script import JSON, SSE, Script
from waypost.wire.http11 import Reply, Request, header_block

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
FAULT_HEADER: Final = b"x-practice-fault"
_SEEN: Final = 64
_PEERS_MAX: Final = 10_000
_HEADERS: Final = header_block(JSON)


class Desk:
    """Takes every request that comes to one practice provider."""

    def __init__(self, provider: PracticeProvider, wheel: Wheel, clock: Callable[[], int]) -> None:
        self.provider = provider
        self.wanted = faults.read(provider.faults)
        """What goes wrong without being asked for."""
        self.calls = 0
        """Chat calls taken."""
        self.gone = 0
        """Calls whose caller left before the end."""
        self.playing: set[Player] = set()
        """Replies under way."""
        self.seen: deque[Request] = deque(maxlen=_SEEN)
        """The last requests as they came, for tests that ask what a provider was sent."""
        self._wheel = wheel
        self._clock = clock
        self._by_id = {endpoint.id: endpoint for endpoint in provider.models}
        self._peers: set[str] = set()

    def head(self, request: Request) -> int:
        asked = request.headers.get(FAULT_HEADER, b"").decode("latin-1")
        if any(one.name == "early_413" for one in (*self.wanted, *_fault_names(asked))):
            raise Refusal("body_too_large", "The request is too large (a practice fault).")
        return BODY_BYTES_MAX

    def problem(self, problem: Problem, request: Request | None) -> tuple[int, bytes, bytes]:
        return problem.status, _HEADERS, dialect.error(problem.message, problem.type, problem.code, problem.param)

    def call(self, request: Request, reply: Reply) -> None:
        self.seen.append(request)
        try:
            self._route(request, reply)
        except BadAsk as bad:
            reply.send(400, _HEADERS, dialect.error(bad.message, "invalid_request_error", bad.code, bad.param))
        except Problem as problem:
            text = f"{problem.message} {problem.why} {problem.fix}".strip()
            reply.send(problem.status, _HEADERS, dialect.error(text, problem.type, "practice_fault", problem.param))

    def _route(self, request: Request, reply: Reply) -> None:
        path = request.path.rstrip("/")
        if path == "/practice/faults":
            self._faults(request, reply)
        elif not self._key_fits(request):
            reply.send(401, _HEADERS, _wrong_key(request.headers.get(b"authorization")))
        elif path.endswith("/chat/completions"):
            self._only(request, "POST")
            self._chat(request, reply)
        elif path.endswith("/models") or "/models/" in path:
            self._only(request, "GET")
            self._models(path.partition("/models")[2].removeprefix("/").replace("%2F", "/"), reply)
        else:
            message = f"Invalid URL ({request.method} {request.path})"
            reply.send(404, _HEADERS, dialect.error(message, "invalid_request_error"))

    def _only(self, request: Request, method: str) -> None:
        if request.method not in (method, "HEAD" if method == "GET" else method):
            raise Refusal("method_not_allowed", f"Not allowed to {request.method} on {request.path}.")

    def _key_fits(self, request: Request) -> bool:
        key = self.provider.key
        shown = request.headers.get(b"authorization", b"")
        return key is None or hmac.compare_digest(shown, b"Bearer " + key.encode())

    def _faults(self, request: Request, reply: Reply) -> None:
        """`GET` tells the table and what is set; `PUT` with a text sets what goes wrong from now on."""
        if request.method == "PUT":
            self.wanted = faults.read(request.body.decode("utf-8", "replace"))
        table = {name: {"argument": fault.argument, "about": fault.about} for name, fault in faults.FAULTS.items()}
        told = {"provider": self.provider.slug, "now": [one.text for one in self.wanted], "faults": table}
        reply.send(200, _HEADERS, msgspec.json.encode(told))

    def _models(self, model: str, reply: Reply) -> None:
        if not model:
            reply.send(200, _HEADERS, dialect.model_list(self.provider.models, CREATED))
            return
        endpoint = self._by_id.get(model)
        if endpoint is None:
            reply.send(404, _HEADERS, _no_model(model))
        else:
            reply.send(200, _HEADERS, dialect.model_one(endpoint, CREATED))

    def _chat(self, request: Request, reply: Reply) -> None:
        self.calls += 1
        asked = read(request.body)
        model, _, suffix = asked.model.partition("+")
        endpoint = self._by_id.get(model)
        if endpoint is None:
            reply.send(404, _HEADERS, _no_model(model))
            return
        more = request.headers.get(FAULT_HEADER, b"").decode("latin-1")
        wanted = (*self.wanted, *faults.read(more), *faults.read(suffix))
        script = replace(self._script(asked, endpoint), reused=self._known(request.peer))
        script = faults.perform(script, wanted, self.provider.slug, self.calls)
        number = f"{self.provider.slug}-{self.calls}"
        script = replace(script, headers=(*script.headers, ("x-request-id", number), ("inference-id", number)))
        self.play(script, reply)

    def play(self, script: Script, reply: Reply) -> None:
        """Start a reply and keep it until it ends."""
        player = Player(script, reply, self._wheel, self._ended)
        self.playing.add(player)
        player.start()

    def _ended(self, player: Player, left: bool) -> None:
        self.playing.discard(player)
        self.gone += left

    def _known(self, peer: str) -> bool:
        """Whether this connection has carried a call before."""
        if peer in self._peers:
            return True
        if len(self._peers) >= _PEERS_MAX:
            self._peers.clear()
        self._peers.add(peer)
        return False

    def _script(self, asked: Asked, endpoint: Endpoint) -> Script:
        _check_abilities(asked, endpoint)
        told = answer(asked, endpoint.output_tokens_max)
        now = self._clock()
        name = f"chatcmpl-{self.provider.slug}-{self.calls}"
        stamp = dialect.Stamp(name, now, endpoint.id, self.provider.reasoning_field)
        first, every = self._pace(endpoint)
        if asked.stream:
            frames = tuple(dialect.stream(told, stamp, wants_usage=asked.wants_usage))
            return Script(frames, True, headers=SSE, first_seconds=first, every_seconds=every, at=now)
        body = dialect.completion(told, stamp)
        return Script((body,), first_seconds=first + every * _spoken(told), at=now)

    def _pace(self, endpoint: Endpoint) -> tuple[float, float]:
        """Seconds until the first frame, and between frames."""
        provider = self.provider
        speed = endpoint.output_tokens_per_s if provider.speed is None else provider.speed
        first = provider.first_word_seconds
        if first is None:
            first = 0.0 if provider.speed == 0 else (endpoint.first_token_ms or 0.0) / 1000
        return first, 1 / speed if speed else 0.0


class CannedDesk(Desk):
    """Answers chat calls from prepared bytes; only the body is looked at, for `stream` and the model's name."""

    def call(self, request: Request, reply: Reply) -> None:
        if request.method != "POST":
            super().call(request, reply)
            return
        self.calls += 1
        body = request.body
        if b'"stream":true' not in body and b'"stream": true' not in body:
            reply.send(200, canned.HEADERS, canned.WHOLE)
        elif b"bench/paced" in body:
            self.play(canned.PACED, reply)
        else:
            reply.begin(200, canned.STREAM_HEADERS)
            reply.finish(canned.BURST)


def _spoken(told: Answer) -> int:
    """Frames' worth of time that a whole reply takes: its longest choice."""
    return max(len(choice.reasoning) + len(choice.content) for choice in told.choices)


def _fault_names(text: str) -> tuple[faults.Wanted, ...]:
    try:
        return faults.read(text)
    except Problem:
        return ()


def _check_abilities(asked: Asked, endpoint: Endpoint) -> None:
    """What this model cannot do is refused, as providers do."""
    if asked.images and not endpoint.abilities & Need.IMAGES:
        raise BadAsk(f"{endpoint.id} does not take image input", "messages", "unsupported_content")
    if asked.tools and asked.tool_choice != "none" and not endpoint.abilities & Need.TOOLS:
        raise BadAsk(f"{endpoint.id} does not support tools", "tools", "unsupported_parameter")
    if asked.form and not endpoint.abilities & Need.STRUCTURED_OUTPUT:
        raise BadAsk(f"{endpoint.id} does not support response_format", "response_format", "unsupported_parameter")
    counted, _ = prompt_tokens(asked)
    if endpoint.context_length is not None and counted > endpoint.context_length:
        limit = f"This model's maximum context length is {endpoint.context_length} tokens"
        raise BadAsk(f"{limit}, but your messages have {counted}.", "messages", "context_length_exceeded")


def _no_model(model: str) -> bytes:
    message = f"The model `{model[:200]}` does not exist or you do not have access to it."
    return dialect.error(message, "invalid_request_error", "model_not_found", "model")


def _wrong_key(shown: bytes | None) -> bytes:
    if shown is None:
        return dialect.error("You didn't provide an API key.", "invalid_request_error", "invalid_api_key")
    return dialect.error("Incorrect API key provided.", "authentication_error", "invalid_api_key")
