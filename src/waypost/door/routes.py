"""The route table: what may be asked of us, by whom, and where.

Everything that must agree with it is made from it: the door's dispatch, the cold routes' application, OpenAPI, the
permission tests, and the words that no provider may be named after.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote

from waypost.domain.callers import BILLING_READ, CREDITS_WRITE, INFERENCE, ORG_BILLING_READ, ORG_SETTINGS, SETTINGS
from waypost.domain.endpoints import Provider
from waypost.domain.problems import Refusal
from waypost.domain.tables import nearest

BODY_BYTES_MAX: Final = 64 * 1024
"""Of routes that take a form rather than a conversation."""
CHAT_PATH: Final = "/v1/chat/completions"
PROVIDER_TEMPLATE: Final = "/{provider}/v1/chat/completions"
"""And every provider's own paths: see ChatPaths."""
SHOWN_PATH_CHARS_MAX: Final = 200
NEAR_LIKENESS: Final = 0.8
"""From here on a path is taken for a slip, not for something that we have never served."""
HEALTH_WORDS: Final = frozenset({"health", "healthz", "healthcheck", "ping", "status"})
"""What others call the route that says whether calls can be served."""


class Auth(StrEnum):
    """Whether a route asks who calls."""

    NONE = "none"
    OPTIONAL = "optional"
    """Open to all, but a token that is shown must be good."""
    TOKEN = "token"  # noqa: S105 (a word, no secret)
    SIGNATURE = "signature"
    """The handler checks that the body was signed with the secret that both sides know."""


class Whose(StrEnum):
    """Whose things a route is about."""

    NOBODY = "nobody"
    CALLER = "caller"
    """The caller's own; what is another's is as unknown as what never was."""
    ORGANISATION = "organisation"
    """Of the organisation in the path. To who is not in it, it is as unknown as one that never was."""
    OPERATOR = "operator"


class Access(NamedTuple):
    """Who may use a route: the gate asks this row, the reference is written from it, and a test tries every kind."""

    auth: Auth
    whose: Whose = Whose.NOBODY
    scope: str | None = None
    """What the token must be allowed to do, on its user or on the organisation in the path."""
    role: str | None = None
    """The least role in the organisation in the path. Operators may do what admins may."""


OPEN: Final = Access(Auth.NONE)
ANYBODY: Final = Access(Auth.OPTIONAL)
SIGNED: Final = Access(Auth.SIGNATURE)


def own(scope: str | None = None) -> Access:
    """The caller's own things."""
    return Access(Auth.TOKEN, Whose.CALLER, scope)


def organisation(scope: str, role: str) -> Access:
    """The things of the organisation in the path, `{name}`."""
    return Access(Auth.TOKEN, Whose.ORGANISATION, scope, role)


def operator(scope: str) -> Access:
    """What only operators may do."""
    return Access(Auth.TOKEN, Whose.OPERATOR, scope)


class Route(NamedTuple):
    """One row: a method on a path."""

    method: str
    template: str
    """`{name}` is one segment, `{name:path}` is all that follows."""
    name: str
    """The operation's id in OpenAPI, and the name of its handler."""
    summary: str
    access: Access
    """Checked before the handler runs."""
    hot: bool = False
    """Answered on the event loop's own turn, without the web framework."""
    hub: bool = False
    """Hugging Face's Hub: its clients read refusals of these routes by the Hub's words."""
    whole_body: bool = False
    """Its body is a conversation: the server's own limit on bodies holds."""
    optional: bool = False
    """It is there only where the settings ask for it."""

    @property
    def auth(self) -> Auth:
        """Whether it asks who calls."""
        return self.access.auth

    @property
    def scope(self) -> str | None:
        """What the token must be allowed to do."""
        return self.access.scope


_PREFERENCES: Final = "/api/settings/inference-providers"
_GROUP_PREFERENCES: Final = "/api/organizations/{name}/settings/inference-providers"
_TOKENS: Final = "/api/settings/tokens"
_BILLING: Final = "/api/settings/billing"
_KEYS: Final = "/api/settings/provider-keys"
_GROUPS: Final = "/api/organizations"
_GROUP: Final = "/api/organizations/{name}"
_GROUP_KEYS: Final = "/api/organizations/{name}/provider-keys"
_MEMBER: Final = "/api/organizations/{name}/members/{user}"
_IN_GROUP: Final = organisation(ORG_SETTINGS, "read")
_RUNS_GROUP: Final = organisation(ORG_SETTINGS, "admin")
_READS_BILLS: Final = organisation(ORG_BILLING_READ, "admin")
_GIVES: Final = operator(CREDITS_WRITE)

ROUTES: Final = (
    Route("POST", CHAT_PATH, "chat", "Have a model answer a conversation", own(INFERENCE), hot=True, whole_body=True),
    Route(
        "POST", PROVIDER_TEMPLATE, "chat_pinned", "The same at one provider, with that provider's own model id",
        own(INFERENCE), hot=True, whole_body=True,
    ),
    Route("POST", "/v1/explain", "explain", "Say what a conversation would do; call nobody", own(), whole_body=True),
    Route("GET", "/v1/models", "list_models", "The catalogue, or what the caller may call of it", ANYBODY),
    Route("GET", "/v1/models/{model:path}", "get_model", "One model and its providers", ANYBODY),
    Route("GET", "/v1/requests", "list_requests", "Past requests, newest first", own()),
    Route("GET", "/v1/requests/{id}", "get_request", "The waybill of one request", own()),
    Route("GET", "/api/whoami-v2", "whoami", "Who the token belongs to, and what it may do", own(), hub=True),
    Route("GET", "/api/models", "hub_models", "The catalogue as the Hub lists it", ANYBODY, hub=True),
    Route("GET", "/api/models/{model:path}", "hub_model", "One model as the Hub shows it", ANYBODY, hub=True),
    Route("GET", "/api/tasks", "hub_tasks", "Models by task, as the Hub lists them", OPEN, hub=True),
    Route("GET", _PREFERENCES, "get_preferences", "How the caller's requests are routed", own(SETTINGS)),
    Route("PUT", _PREFERENCES, "put_preferences", "Change how the caller's requests are routed", own(SETTINGS)),
    Route(
        "GET", _GROUP_PREFERENCES, "get_organisation_preferences", "How what it pays for is routed",
        organisation(ORG_SETTINGS, "admin"),
    ),
    Route(
        "PUT", _GROUP_PREFERENCES, "put_organisation_preferences", "Change how what it pays for is routed",
        organisation(ORG_SETTINGS, "admin"),
    ),
    Route("GET", _TOKENS, "list_tokens", "The caller's tokens, without their secrets", own(SETTINGS)),
    Route("POST", _TOKENS, "create_token", "A new token; its secret is shown once", own(SETTINGS)),
    Route("DELETE", f"{_TOKENS}/{{id}}", "revoke_token", "Make a token invalid for good", own(SETTINGS)),
    Route("GET", _KEYS, "list_provider_keys", "The caller's own keys for providers, not shown", own(SETTINGS)),
    Route("GET", f"{_KEYS}/{{provider}}", "get_provider_key", "One of them, not shown", own(SETTINGS)),
    Route("PUT", f"{_KEYS}/{{provider}}", "put_provider_key", "Use an own key for a provider", own(SETTINGS)),
    Route("DELETE", f"{_KEYS}/{{provider}}", "remove_provider_key", "Forget it", own(SETTINGS)),
    Route("GET", f"{_BILLING}/usage-v2", "usage", "What the caller's account was charged", own(BILLING_READ)),
    Route(
        "GET", f"{_BILLING}/usage-by-inference-session", "usage_by_session", "The same by session tag",
        own(BILLING_READ),
    ),
    Route("GET", f"{_BILLING}/credits", "credits", "The caller's credits, and what moved them", own(BILLING_READ)),
    Route("GET", _GROUPS, "list_organisations", "The organisations that the caller is in", own()),
    Route("POST", _GROUPS, "create_organisation", "A new organisation", operator(ORG_SETTINGS)),
    Route("GET", _GROUP, "get_organisation", "An organisation, its limits, rules and members", _IN_GROUP),
    Route("PATCH", _GROUP, "change_organisation", "Change its limits and rules", _RUNS_GROUP),
    Route("PUT", _MEMBER, "put_member", "Add a user, or change its role or limit", _RUNS_GROUP),
    Route("DELETE", _MEMBER, "remove_member", "A user leaves the organisation", _RUNS_GROUP),
    Route("GET", f"{_GROUP}/billing/usage-v2", "organisation_usage", "What it was charged", _READS_BILLS),
    Route(
        "GET", f"{_GROUP}/billing/usage-by-inference-session", "organisation_usage_by_session",
        "The same by session tag", _READS_BILLS,
    ),
    Route("GET", f"{_GROUP}/billing/credits", "organisation_credits", "Its credits, and what moved them", _READS_BILLS),
    Route("GET", _GROUP_KEYS, "list_organisation_provider_keys", "Its own keys for providers, not shown", _RUNS_GROUP),
    Route(
        "GET", f"{_GROUP_KEYS}/{{provider}}", "get_organisation_provider_key", "One of them, not shown", _RUNS_GROUP,
    ),
    Route(
        "PUT", f"{_GROUP_KEYS}/{{provider}}", "put_organisation_provider_key", "Use an own key for a provider",
        _RUNS_GROUP,
    ),
    Route("DELETE", f"{_GROUP_KEYS}/{{provider}}", "remove_organisation_provider_key", "Forget it", _RUNS_GROUP),
    Route("POST", f"{_GROUP}/credits", "give_organisation_credits", "Give it credits", _GIVES),
    Route("POST", "/api/users/{user}/credits", "give_user_credits", "Give a user credits", _GIVES),
    Route("POST", "/api/webhooks/top-up", "top_up", "Somebody has paid for credits", SIGNED, optional=True),
    Route("GET", "/live", "live", "The process answers", OPEN, hot=True),
    Route("GET", "/ready", "ready", "It can take calls, or why not", OPEN, hot=True),
    Route("GET", "/metrics", "metrics", "Counters in Prometheus' text format", OPEN, hot=True),
    Route("GET", "/openapi.json", "openapi", "This surface, described", OPEN),
)  # fmt: skip

LATER_SEGMENTS: Final = frozenset({
    ".well-known", "assets", "auth", "chat", "chats", "console", "docs", "doctor", "favicon.ico", "help", "login",
    "logout", "models", "oauth", "organisations", "overview", "providers", "requests", "robots.txt", "settings",
    "sign-up", "static", "tokens", "usage", "users",
})  # fmt: skip
"""First path segments that the console and later rooms will use."""
OWN_SEGMENTS: Final = LATER_SEGMENTS | {
    route.template.split("/")[1] for route in ROUTES if route.template != PROVIDER_TEMPLATE
}
"""First path segments of ours. Settings refuse a provider with such a slug: its path would never be reached."""


class Match(NamedTuple):
    """The row a request belongs to, and what stood in its template's holes."""

    route: Route
    values: Mapping[str, str]


class ChatPaths:
    """Every path on which a conversation may be posted, for one set of providers; and which rows are `absent`.

    `exact` answers most calls with one look-up: path → the provider it pins, None where it pins none.
    """

    def __init__(self, providers: Iterable[Provider] = (), absent: Collection[str] = ()) -> None:
        self.absent = absent
        self.exact: dict[str, str | None] = {CHAT_PATH: None}
        self.slugs: list[str] = []
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        for provider in providers:
            self.slugs.append(provider.slug)
            for path in dict.fromkeys((CHAT_PATH, *provider.native_paths)):
                self._add(provider.slug, f"/{provider.slug}{path}")

    def _add(self, slug: str, path: str) -> None:
        before, hole, after = path.partition("{id}")
        if hole:
            self._patterns.append((re.compile(f"{re.escape(before)}.+{re.escape(after)}"), slug))
        else:
            self.exact[path] = slug

    def with_id(self, path: str) -> str | None:
        """The provider pinned by a path that holds a model's id, such as `/hf-inference/models/{id}/v1/…`."""
        for pattern, slug in self._patterns:
            if pattern.fullmatch(path):
                return slug
        return None

    def holds(self, path: str) -> bool:
        """Whether a conversation may be posted there."""
        return path in self.exact or self.with_id(path) is not None


def pattern(template: str) -> re.Pattern[str]:
    """What paths a template covers."""
    pieces = re.split(r"\{(\w+)(:path)?\}", template)
    # split gives text, name, ":path" or None, text, …
    out = re.escape(pieces[0])
    for name, kind, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        out += f"(?P<{name}>{'(?s:.+)' if kind else '[^/]+'})" + re.escape(text)
    return re.compile(out)


_PATTERNS: Final = [(pattern(route.template), route) for route in ROUTES if route.template != PROVIDER_TEMPLATE]
_PINNED: Final = next(route for route in ROUTES if route.template == PROVIDER_TEMPLATE)


def find(method: str, raw_path: str, chats: ChatPaths) -> Match:
    """The row for a request. `raw_path` is as sent, percent-encoded.

    Raises Refusal `not_found`, naming the nearest route, or `method_not_allowed`, with Allow.
    """
    rows = _rows(method, raw_path, chats)
    match = rows.get("GET" if method == "HEAD" else method)
    if match is None:
        raise _method_not_allowed(method, unquote(raw_path), _allow(rows))
    return match


def allow_on(raw_path: str, chats: ChatPaths) -> str:
    """The value of Allow for a path. Raises Refusal `not_found`."""
    if raw_path == "*":
        return _allow(dict.fromkeys(route.method for route in ROUTES))
    return _allow(_rows("OPTIONS", raw_path, chats))


def _rows(method: str, raw_path: str, chats: ChatPaths) -> dict[str, Match]:
    """Every row of a path, by method; at least one."""
    path = unquote(raw_path)
    rows = {
        route.method: Match(route, found.groupdict())
        for p, route in _PATTERNS
        if (found := p.fullmatch(path)) and route.name not in chats.absent
    }
    if not rows and chats.holds(raw_path):
        rows = {"POST": Match(_PINNED, {})}
    if not rows:
        raise _not_found(method, path, chats)
    return rows


def _allow(methods: Iterable[str]) -> str:
    named = list(methods)
    return ", ".join([*named, *(["HEAD"] if "GET" in named else []), "OPTIONS"])


def _method_not_allowed(method: str, path: str, allow: str) -> Refusal:
    return Refusal(
        "method_not_allowed",
        f"{method} is not served on {_shown(path)}.",
        why=f"this path takes {allow}",
        fix=f"Use {allow.split(', ', 1)[0]}.",
        headers=(("allow", allow),),
        extra={"allow": allow.split(", ")},
    )


def _not_found(method: str, path: str, chats: ChatPaths) -> Refusal:
    first = path.split("/")[1] if path.startswith("/") else ""
    if first and first not in OWN_SEGMENTS and path.endswith("/chat/completions") and path != "/chat/completions":
        near = _nearest_provider_path(first, path, chats)
    else:
        near = _nearest_route(method, path, [row for row in _PATTERNS if row[1].name not in chats.absent])
    return Refusal(
        "not_found",
        f"There is nothing at {_shown(path)}.",
        why="no route has this path",
        fix=f"Did you mean {near}?" if near else "See /openapi.json for every route.",
        extra={"nearest": near} if near else {},
    )


def _nearest_provider_path(first: str, path: str, chats: ChatPaths) -> str | None:
    if first in chats.slugs:
        own = [one for one, slug in chats.exact.items() if slug == first]
        return f"POST {nearest(path, own) or own[0]}"
    slug = nearest(first, chats.slugs)
    return f"POST /{slug}{CHAT_PATH}" if slug else f"POST {CHAT_PATH}"


def _nearest_route(method: str, path: str, there: Sequence[tuple[re.Pattern[str], Route]]) -> str | None:
    """A wrong base path (no `/v1`, or two) is the usual mistake; a method that fits goes first."""
    words = path.rstrip("/")
    if words.rpartition("/")[2] in HEALTH_WORDS:
        return "GET /ready"
    for guess in (words, f"/v1{words}", words.replace("/v1/v1/", "/v1/", 1), words.replace("/api/v1/", "/v1/", 1)):
        fits = [route for p, route in there if p.fullmatch(guess)]
        if fits:
            best = next((route for route in fits if route.method == method), fits[0])
            return f"{best.method} {guess if '{' in best.template else best.template}"
    return _spelled_like(method, words, [route for _, route in there])


def _spelled_like(method: str, path: str, there: Iterable[Route]) -> str | None:
    """The route that this path means but for a slip, if there is one."""
    near = {}
    for route in there:
        full = _filled(route.template, path)
        likeness = _likeness(path.split("/"), full.split("/"))
        if likeness >= NEAR_LIKENESS:
            near[likeness, route.method == method] = f"{route.method} {full}"
    return near[max(near)] if near else None


def _filled(template: str, path: str) -> str:
    """A template with this path's own segments in its holes."""
    given, out = path.split("/"), []
    for place, segment in enumerate(template.split("/")):
        rest = given[place:] if segment.endswith(":path}") else given[place : place + 1]
        out.append("/".join(rest) if segment.startswith("{") and rest else segment.replace(":path", ""))
    return "/".join(out)


def _likeness(path: list[str], route: list[str]) -> float:
    """From 0 to 1. What both begin and end with says nothing, or everything under /v1 would be like everything else.

    A segment too many or too few is a slip, where something is left that both have at their ends.
    """
    while path and route and path[0] == route[0]:
        path, route = path[1:], route[1:]
    alike = 0
    while path and route and path[-1] == route[-1]:
        path, route, alike = path[:-1], route[:-1], alike + 1
    if not path or not route:
        return 1.0 if alike else 0.0
    return SequenceMatcher(None, "/".join(path), "/".join(route)).ratio()


def _shown(path: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in path)
    return text if len(text) <= SHOWN_PATH_CHARS_MAX else text[: SHOWN_PATH_CHARS_MAX - 1] + "…"
