"""The door: every request comes in here and leaves for the handler its row in the route table names.

A conversation goes to its handler after one look-up; probes are answered here; everything else takes the bridge to
the cold routes' application.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Protocol

from waypost.domain.callers import Caller
from waypost.domain.endpoints import Provider
from waypost.domain.problems import Problem
from waypost.door import paths, routes
from waypost.door.cors import Cors
from waypost.door.paths import ChatPaths
from waypost.door.problems import ANYBODY, ProblemWriter, Reader
from waypost.door.routes import Auth
from waypost.identity.credentials import credential_of
from waypost.wire.http11 import Reply, Request

UNKNOWN: Final = "?"
"""No provider's slug."""

Handler = Callable[[Request, Reply], None]


class Chat(Protocol):
    """Takes a conversation. Returns at once."""

    def __call__(self, request: Request, reply: Reply, pinned: str | None = None) -> None: ...
    def turned_away(self, request: Request, problem: Problem) -> str:
        """One that is refused before it is complete. Gives its request id."""
        ...


class Identity(Protocol):
    """Who are you? Raises Refusal `token_…`."""

    def who(self, authorization: bytes | None) -> Caller: ...


class Door:
    """The site behind `wire/http11`."""

    def __init__(  # noqa: PLR0913 (each is a part of the house)
        self,
        *,
        chat: Chat,
        hot: Mapping[str, Handler],
        cold: Handler,
        identity: Identity,
        problems: ProblemWriter,
        request_ids: Callable[[], str],
        cors: Cors | None = None,
        body_bytes_max: int = 32 * 1024 * 1024,
        absent: Collection[str] = (),
    ) -> None:
        """`hot` maps a route's name to its handler, `cold` is the bridge to all else; `absent` names rows not there."""
        self._chat = chat
        self._cold = cold
        self._identity = identity
        self._problems = problems
        self._request_ids = request_ids
        self._cors = cors or Cors()
        self._body_bytes_max = body_bytes_max
        self._gets = {row.template: hot[row.name] for row in routes.ROUTES if row.hot and row.method == "GET"}
        self._absent = absent
        self.serve(())

    def serve(self, providers: Iterable[Provider]) -> None:
        """Conversations may be posted on these providers' paths from now on."""
        self.chats = ChatPaths(providers, self._absent)
        self._chat_paths = self.chats.exact

    def call(self, request: Request, reply: Reply) -> None:
        """A complete request. Returns at once."""
        if request.method == "POST":
            pinned = self._chat_paths.get(request.path, UNKNOWN)
            if pinned is not UNKNOWN:
                self._chat(request, reply, pinned)
                return
        self._other(request, reply)

    def head(self, request: Request) -> int:
        """How much body to take. Refuses early: unknown route, wrong method, a token that is none."""
        row = paths.find(request.method, request.path, self.chats).route
        if row.auth is Auth.TOKEN:
            self._identity.who(credential_of(request.headers))
        return self._body_bytes_max if row.whole_body else min(routes.BODY_BYTES_MAX, self._body_bytes_max)

    def problem(self, problem: Problem, request: Request | None) -> tuple[int, bytes, bytes]:
        """A refusal that needs no handler, as a reply."""
        reader = ANYBODY if request is None else Reader(request.headers.get(b"user-agent", b""))
        status, head, body = self._problems.whole(problem, self._numbered(problem, request), reader)
        return status, head + self._cors_block(request), body

    def _numbered(self, problem: Problem, request: Request | None) -> str:
        """The refusal's request id, under which a conversation's is written down."""
        if request is not None and request.method == "POST" and self.chats.holds(request.path):
            return self._chat.turned_away(request, problem)
        return self._request_ids()

    def _other(self, request: Request, reply: Reply) -> None:
        path = request.path
        if request.method == "POST":
            pinned = self.chats.with_id(path)
            if pinned is not None:
                self._chat(request, reply, pinned)
                return
        elif request.method in {"GET", "HEAD"} and path in self._gets:
            self._gets[path](request, reply)
            return
        elif request.method == "OPTIONS":
            self._options(request, reply)
            return
        self._cold(request, reply)

    def _options(self, request: Request, reply: Reply) -> None:
        """What is allowed here; and to a browser that asks for a page of an allowed origin, whether it may call."""
        try:
            allow = paths.allow_on(request.path, self.chats)
        except Problem as problem:
            reply.send(*self.problem(problem, request))
            return
        head = f"allow: {allow}\r\nx-request-id: {self._request_ids()}\r\n".encode("ascii")
        reply.send(204, head + self._cors.preflight(request.headers, allow), b"")

    def _cors_block(self, request: Request | None) -> bytes:
        return b"" if request is None else self._cors.block(request.headers.get(b"origin"))
