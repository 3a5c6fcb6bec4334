"""The route table: what may be asked of us, by whom, and where.

Everything that must agree with it is made from it: the door's dispatch (`paths.py` finds a request's row), the cold
routes' application, OpenAPI, the permissions and their test, and the words that no provider may be named after.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from waypost.domain.callers import BILLING_READ, CREDITS_WRITE, INFERENCE, ORG_BILLING_READ, ORG_SETTINGS, SETTINGS

BODY_BYTES_MAX: Final = 64 * 1024
"""Of routes that take a form rather than a conversation."""
CHAT_PATH: Final = "/v1/chat/completions"
PROVIDER_TEMPLATE: Final = "/{provider}/v1/chat/completions"
"""And every provider's own paths: see ChatPaths."""


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
