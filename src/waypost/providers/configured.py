"""`[providers.SLUG]`: what the settings say about providers, laid over what we know about them anyway."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from waypost.domain.endpoints import SCHEMA_SHAPES, Provider
from waypost.domain.kinds import BASE_URL, FLAG, HEADERS, LINE, SLUG, VARIABLE, list_of, matching, one_of
from waypost.domain.tables import Place, did_you_mean, looks_secret, read_given, setting
from waypost.providers.addresses import forbidden, literal
from waypost.providers.known import KNOWN, KNOWN_BY_SLUG, KnownProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

POLICY_WORDS: Final = frozenset({"auto", "cheapest", "fastest", "preferred"})
ROUTE_WORDS: Final = frozenset({"api", "docs", "live", "metrics", "oauth", "openapi", "ready", "v1", "v2"})
CONSOLE_WORDS: Final = frozenset(
    {"assets", "chat", "console", "doctor", "login", "logout", "models", "organisations", "organizations", "overview"}
    | {"providers", "request", "requests", "settings", "static", "tokens", "usage", "users"}
)
SETTING_WORDS: Final = frozenset({"alias_of", "deadlines", "retired"})
RESERVED_SLUGS: Final = POLICY_WORDS | ROUTE_WORDS | CONSOLE_WORDS | SETTING_WORDS
"""Words that are policies, first path segments of ours, or keys beside a provider's slug in the settings."""

LOCAL_SUFFIXES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
CHAT_ENDING: Final = "/chat/completions"
KEY_TEXT: Final = re.compile(r"[\x21-\x7e]+\Z")
CHAT_PATH: Final = matching(
    re.compile(r"/[A-Za-z0-9._~/{}:@!$&'()*+,;=%-]*\Z"),
    'a path like "/chat/completions"; {id} is the model\'s id there',
)


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """One provider: a company or server that speaks OpenAI's chat dialect. Known ones need no base_url."""

    base_url: str | None = setting(
        BASE_URL,
        None,
        "Everything before `/chat/completions`. A known provider's own key is not sent to another address.",
    )
    key_env: str | None = setting(VARIABLE, None, "Environment variable that holds the key; unset: no key is sent.")
    headers: tuple[tuple[str, str], ...] = setting(HEADERS, (), "More request headers, as a table.")
    disabled: bool = setting(FLAG, False, "Never call it.")
    stops_billing_on_cancel: bool = setting(
        FLAG, False, "Closing the connection ends its bill, so calls of clients that left are cut at once."
    )
    allow_private: bool | None = setting(
        FLAG, None, "May stand in a private network; unset: yes where `base_url` names a private or local address."
    )
    chat_path: str | None = setting(CHAT_PATH, None, "Path of the chat route after `base_url`.")
    drop_fields: tuple[str, ...] = setting(list_of(LINE), (), "Request fields it refuses; left out of every call.")
    schema_shape: str | None = setting(
        one_of(*SCHEMA_SHAPES),
        None,
        "How it wants a JSON schema: " + "; ".join(f"{n} {s}" for n, s in SCHEMA_SHAPES.items()),
    )


class Configured(NamedTuple):
    """All providers, in the order of the settings and then of `known.py`."""

    providers: dict[str, Provider]
    given: dict[str, dict[str, Any]]
    """What the settings said, by slug."""
    notes: tuple[str, ...]


def configure(tables: object, environment: Mapping[str, str], place: Place) -> Configured:
    """Read `[providers]`, add the known ones, and give each its key."""
    if not isinstance(tables, dict):
        place.fault("must hold a table for each provider")
        tables = {}
    given = {slug: _read_row(slug, table, place.at(slug)) for slug, table in tables.items()}
    drafts = {slug: _draft(slug, row) for slug, row in given.items()}
    drafts |= {row.slug: _draft(row.slug, {}) for row in KNOWN if row.slug not in given}
    notes: list[str] = []
    providers = {slug: _with_key(draft, environment, notes) for slug, draft in drafts.items()}
    notes += [note for slug, row in given.items() for note in _oddities(providers[slug], row)]
    return Configured(providers, given, tuple(notes))


def _oddities(provider: Provider, given: Mapping[str, Any]) -> Iterator[str]:
    """What is allowed and still worth a line."""
    if provider.disabled:
        return
    if "key_env" in given and provider.key is None:
        yield f"providers.{provider.slug}: {provider.key_env} is not set in the environment, so it cannot be called"
    if provider.key is not None and provider.base_url.startswith("http:") and not is_local_address(provider.base_url):
        yield f"providers.{provider.slug}: its key travels unencrypted to {provider.base_url}"


def is_local_address(base_url: str) -> bool:
    """Whether an address names a private place by itself: a private number, or a name no public server can have."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    spot = literal(host)
    if spot is not None:
        return forbidden(spot.ip) is not None
    return "." not in host or host.endswith(LOCAL_SUFFIXES)


class _Draft(NamedTuple):
    provider: Provider
    key_names: tuple[str, ...]


def _read_row(slug: str, table: object, place: Place) -> dict[str, Any]:
    if slug in RESERVED_SLUGS:
        place.fault("cannot be a provider's name: the word is a policy, a route or a setting of ours")
    elif not SLUG.match(slug):
        place.fault("cannot be a provider's name: it must be 1-40 of a-z, 0-9 and -")
    names = table if isinstance(table, dict) else {}
    keys_here = [name for name in names if name != "key_env" and looks_secret(name)]
    for name in keys_here:
        place.at(name).fault("is refused: keys come from the environment only; name the variable in key_env")
    given = read_given(ProviderRow, table, place, also=keys_here)
    if given.get("base_url", "").endswith(CHAT_ENDING):
        place.at("base_url").fault(f"must end before {CHAT_ENDING}, which is added to it")
    if "base_url" not in names and slug not in KNOWN_BY_SLUG:
        place.fault(f"needs a base_url: it is none of the known providers{did_you_mean(slug, KNOWN_BY_SLUG)}")
    return given


def _draft(slug: str, given: dict[str, Any]) -> _Draft:
    known = KNOWN_BY_SLUG.get(slug)
    base = _known(known) if known else Provider(slug, "")
    names = known.key_names if known and "base_url" not in given else ()
    if "key_env" in given:
        names = (given["key_env"],)
    changes = given | {"headers": tuple((dict(base.headers) | dict(given.get("headers", ()))).items())}
    changes.setdefault("allow_private", is_local_address(given.get("base_url", base.base_url)))
    keyless = "base_url" in given and not names
    return _Draft(replace(base, **changes, keyless=keyless), names)


def _known(row: KnownProvider) -> Provider:
    return Provider(
        row.slug,
        row.base_url,
        chat_path=row.chat_path,
        native_paths=row.native_paths,
        headers=row.headers,
        drop_fields=row.drop_fields,
        schema_shape=row.schema_shape,
    )


def _with_key(draft: _Draft, environment: Mapping[str, str], notes: list[str]) -> Provider:
    for name in draft.key_names:
        key = environment.get(name, "").strip()
        if key and not KEY_TEXT.match(key):
            notes.append(
                f"providers.{draft.provider.slug}: {name} holds white space or characters no key has; not used"
            )
        elif key:
            return replace(draft.provider, key=key, key_env=name)
    return replace(draft.provider, key_env=draft.key_names[0] if draft.key_names else None)
