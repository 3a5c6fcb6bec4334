"""Every setting in force, a line each, with where it came from. What is secret shows as its fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from waypost.domain.databases import shown
from waypost.domain.endpoints import Deadlines, Provider
from waypost.domain.money import NANO_USD_PER_USD, UNITS_PER_PRICE
from waypost.domain.tables import dotted, looks_secret
from waypost.routing.model_rows import ModelRow

DEFAULT: Final = "default"
FINGERPRINT_DIGITS: Final = 8


class SettingLine(NamedTuple):
    """A setting in force, as anybody may see it."""

    key: str
    value: str
    """As TOML writes it; empty where it is not set."""
    origin: str
    """`default`, the file, `environment NAME` or `command line`."""


def fingerprint(secret: str) -> str:
    """Enough to see whether two secrets are the same, never the secret."""
    return f"(secret, fingerprint {sha256(secret.encode()).hexdigest()[:FINGERPRINT_DIGITS]})"


def section_lines(sections: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[SettingLine]:
    """The lines of every section."""
    for section, values in sections.items():
        for name, value in asdict(values).items():
            key = dotted(section, name)
            yield SettingLine(key, _shown(name, value), origins.get(key, DEFAULT))


def provider_lines(
    providers: Iterable[Provider], given: Mapping[str, Mapping[str, Any]], file: str
) -> Iterator[SettingLine]:
    """What was set about providers, and the state of every key."""
    for provider in providers:
        table = dotted("providers", provider.slug)
        for name, value in given.get(provider.slug, {}).items():
            yield SettingLine(dotted(table, name), _shown(name, value), file)
        if provider.key is not None:
            yield SettingLine(f"{table}.key", fingerprint(provider.key), f"environment {provider.key_env}")
        elif provider.key_env is not None:
            yield SettingLine(f"{table}.key", "", f"{provider.key_env} is not set")


def model_lines(rows: Iterable[ModelRow], file: str) -> Iterator[SettingLine]:
    """What was set about models."""
    for row in rows:
        table = dotted("models", row.id)
        for name in ("alias_of", "retired"):
            if getattr(row, name) is not None:
                yield SettingLine(dotted(table, name), _shown(name, getattr(row, name)), file)
        for name, value in zip(Deadlines._fields, row.deadlines or (), strict=False):
            yield SettingLine(f"{table}.deadlines.{name}", _shown(name, value), file)
        for slug, given in row.endpoints.items():
            for name, value in given.items():
                yield SettingLine(dotted(dotted(table, slug), name), _shown(name, value), file)


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if "usd_per" in name and not isinstance(value, str):
        units = NANO_USD_PER_USD if name.endswith("per_million") else NANO_USD_PER_USD * UNITS_PER_PRICE
        return json.dumps(f"{value / units:.12f}".rstrip("0").rstrip("."))
    if name == "headers":
        return json.dumps({header: fingerprint(text) if looks_secret(header) else text for header, text in value})
    if name == "url" and value:
        return json.dumps(_without_password(value))
    if name == "database":
        return json.dumps(shown(value))
    return json.dumps(value, ensure_ascii=False)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{fingerprint(user)}@{host}").geturl() if at else url
