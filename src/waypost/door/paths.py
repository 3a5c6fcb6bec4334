"""A request's path: which row of the route table it means, or what was meant where it means none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final, NamedTuple
from urllib.parse import unquote

from waypost.domain.endpoints import Provider
from waypost.domain.problems import Refusal
from waypost.domain.tables import nearest
from waypost.door.routes import CHAT_PATH, OWN_SEGMENTS, PROVIDER_TEMPLATE, ROUTES, Route

SHOWN_PATH_CHARS_MAX: Final = 200
NEAR_LIKENESS: Final = 0.8
"""From here on a path is taken for a slip, not for something that we have never served."""
HEALTH_WORDS: Final = frozenset({"health", "healthz", "healthcheck", "ping", "status"})
"""What others call the route that says whether calls can be served."""


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
