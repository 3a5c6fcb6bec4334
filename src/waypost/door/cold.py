"""The application behind the cold routes: one gate in front of all of them, one handler a row of the route table."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from waypost.domain.callers import Caller
from waypost.domain.payers import Organisation
from waypost.domain.problems import Failed, Problem, Refusal
from waypost.door import paths, routes
from waypost.door.admission import Memberships, check_personal, organisation_for
from waypost.door.cors import Cors
from waypost.door.paths import ChatPaths
from waypost.door.problems import BAD_CREDENTIALS, ProblemWriter, Reader
from waypost.door.routes import Auth, Whose
from waypost.identity.credentials import credential_of
from waypost.journey import BUG_FIX

log = logging.getLogger("waypost.door")
_encode = msgspec.json.Encoder().encode


class Identity(Protocol):
    """Who calls, and which organisations are there? Raises Refusal."""

    @property
    def memberships(self) -> Memberships: ...
    def who(self, authorization: bytes | None) -> Caller: ...


class Ask(NamedTuple):
    """A request that passed the gate."""

    http: Request
    caller: Caller | None
    """None only where the route lets anybody in and no token was shown."""
    request_id: str
    of: Organisation | None = None
    """The one in the path, of a route about an organisation's things."""

    @property
    def organisation(self) -> Organisation:
        """The organisation in the path of a route about its things."""
        if self.of is None:
            raise TypeError("this route is about no organisation")
        return self.of

    @property
    def user(self) -> Caller:
        """The caller of a route that asks for a token."""
        if self.caller is None:
            raise TypeError("this route lets in callers without a token")
        return self.caller

    def hole(self, name: str) -> str:
        """What stood in the path template's `{name}`."""
        return str(self.http.path_params[name])


Handler = Callable[[Ask], Awaitable[Response]]


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(_encode(value), status, headers, media_type="application/json")


class Gate:
    """Asks who calls before a handler runs, and turns every problem into its reply afterwards."""

    def __init__(
        self, identity: Identity, problems: ProblemWriter, request_ids: Callable[[], str], cors: Cors | None = None
    ) -> None:
        self._identity = identity
        self._problems = problems
        self._request_ids = request_ids
        self._cors = cors or Cors()

    async def pass_through(self, row: routes.Route, handler: Handler, http: Request) -> Response:
        """One request, from the gate to its answer."""
        request_id = self._request_ids()
        try:
            response = await handler(self._admitted(row, http, request_id))
        except Problem as problem:
            return self.refuse(_as_the_hub(problem) if row.hub else problem, http, request_id, hub=row.hub)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            log.exception("a bug behind %s %s, request %s", row.method, row.template, request_id)
            return self.refuse(bug(), http, request_id, hub=row.hub)
        response.headers.setdefault("x-request-id", request_id)
        self._add_cors(response, http)
        return response

    def refuse(self, problem: Problem, http: Request, request_id: str | None = None, *, hub: bool = False) -> Response:
        """A problem as a reply; `hub` where it answers a route of the Hub's."""
        reader = Reader(http.headers.get("user-agent", "").encode("latin-1"), hub)
        status, head, body = self._problems.whole(problem, request_id or self._request_ids(), reader)
        response = Response(body, status)
        for line in head.decode("latin-1").splitlines():
            name, _, value = line.partition(": ")
            response.headers[name] = value
        self._add_cors(response, http)
        return response

    def _admitted(self, row: routes.Route, http: Request, request_id: str) -> Ask:
        """Raises Refusal where the row lets this caller not in."""
        if not _asks(row.auth, http):
            return Ask(http, None, request_id)
        caller = self._identity.who(credential_of(dict(http.headers.raw)))
        if row.access.whose is not Whose.ORGANISATION:
            check_personal(row.access, caller)
            return Ask(http, caller, request_id)
        name = str(http.path_params["name"])
        return Ask(http, caller, request_id, organisation_for(row.access, caller, name, self._identity.memberships))

    def _add_cors(self, response: Response, http: Request) -> None:
        origin = http.headers.get("origin")
        if origin is None:
            return
        for line in self._cors.block(origin.encode("latin-1")).decode("ascii").splitlines():
            name, _, value = line.partition(": ")
            response.headers.append(name, value)


def _asks(auth: Auth, http: Request) -> bool:
    """Whether it must be known who calls."""
    return auth is Auth.TOKEN or (auth is Auth.OPTIONAL and "authorization" in http.headers)


def bug() -> Problem:
    """What a caller is told of a bug of ours: nothing but that it is one."""
    return Failed("internal_error", "Something went wrong in the router itself.", fix=BUG_FIX)


def cold_app(gate: Gate, handlers: Mapping[str, Handler], chats: Callable[[], ChatPaths]) -> Starlette:
    """The application: a handler for every cold row, and our own refusals for all else.

    `chats` gives the paths on which conversations may be posted now, for a true 405 on them.
    """
    by_path: dict[str, dict[str, tuple[routes.Route, Handler]]] = {}
    for row in routes.ROUTES:
        if not row.hot and not (row.optional and row.name not in handlers):
            by_path.setdefault(row.template, {})[row.method] = (row, handlers[row.name])

    def refusal(http: Request) -> Problem:
        try:
            paths.find(http.method, _raw_path(http), chats())
        except Problem as problem:
            return problem
        return Refusal("not_found", "There is nothing at this path.", fix="Send the path without percent signs.")

    async def refuse(http: Request, _: Exception) -> Response:
        return gate.refuse(refusal(http), http)

    app = Starlette(
        routes=[_starlette_route(gate, template, rows) for template, rows in by_path.items()],
        exception_handlers={HTTPException: refuse},
    )
    app.router.redirect_slashes = False
    return app


class _Route(Route):
    """A route that leaves every wrong method, and every empty hole, to the refusal that knows what to say."""

    def __init__(self, template: str, endpoint: Callable[..., Any], methods: list[str]) -> None:
        super().__init__(template, endpoint, methods=methods)
        self.path_regex = re.compile(paths.pattern(template).pattern + r"\Z")  # the door's reading is the only one

    def matches(self, scope: Any) -> tuple[Match, Any]:
        match, child = super().matches(scope)
        if match is Match.FULL and all(child["path_params"].values()):
            return match, child
        return Match.NONE, {}


def _starlette_route(gate: Gate, template: str, rows: dict[str, tuple[routes.Route, Handler]]) -> BaseRoute:
    async def endpoint(http: Request) -> Response:
        row, handler = rows["GET" if http.method == "HEAD" else http.method]
        return await gate.pass_through(row, handler, http)

    return _Route(template, endpoint, list(rows))


def _raw_path(http: Request) -> str:
    raw = http.scope.get("raw_path")
    return raw.decode("latin-1").partition("?")[0] if raw else str(http.scope["path"])


def _as_the_hub(problem: Problem) -> Problem:
    """`huggingface_hub` takes a 401 of the Hub for a missing repository unless it says exactly this."""
    if problem.status == 401 and problem.code != "token_missing":
        problem.headers = (*problem.headers, ("x-error-message", BAD_CREDENTIALS))
    return problem
