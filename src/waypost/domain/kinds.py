"""The kinds of values that settings have: numbers in a range, names, lists, addresses, amounts of money."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from waypost.domain.databases import ADDRESS
from waypost.domain.money import nano_usd, nano_usd_per_million
from waypost.domain.tables import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
ENVIRONMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}\Z")
HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?\Z")
TEXT: Final = re.compile(r"[^\x00-\x1f\x7f]+\Z")
URL_TEXT: Final = re.compile(r"[\x21-\x7e]+\Z")
HEADERS_WITH_KEYS: Final = frozenset({"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key"})
HEADERS_OF_OURS: Final = frozenset({"accept", "accept-encoding", "content-encoding", "content-length", "content-type"})
HEADERS_OF_THE_WIRE: Final = frozenset(
    {"connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"}
)
HEADERS_REFUSED: Final = HEADERS_WITH_KEYS | HEADERS_OF_OURS | HEADERS_OF_THE_WIRE


def whole(low: int, high: int) -> Kind:
    """A whole number in a range."""

    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low:,} to {high:,}", read)


def number(low: float, high: float) -> Kind:
    """A number in a range, whole or not."""

    def read(value: Any) -> float:
        if type(value) not in {int, float} or not math.isfinite(value) or not low <= value <= high:
            raise ValueError
        return float(value)

    return Kind(f"a number from {low:,.12g} to {high:,.12g}", read)


def matching(pattern: re.Pattern[str], words: str, *, secret: bool = False) -> Kind:
    """A text of a form."""

    def read(value: Any) -> str:
        if type(value) is not str or not pattern.match(value):
            raise ValueError
        return value

    return Kind(words, read, secret)


def one_of(*choices: str) -> Kind:
    """One of a few words."""

    def read(value: Any) -> str:
        if type(value) is not str or value not in choices:
            raise ValueError
        return value

    return Kind("one of " + ", ".join(f'"{choice}"' for choice in choices), read)


def list_of(item: Kind) -> Kind:
    """A list whose every item is of one kind, none of them twice."""

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise TypeError
        return tuple(dict.fromkeys(item.read(each) for each in value))

    return Kind(f"a list, each item {item.words}", read, item.secret)


def checked(words: str, read: Callable[[Any], Any], *, secret: bool = False) -> Kind:
    """A kind with a reader of its own."""
    return Kind(words, read, secret)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _iso_date(value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if type(value) is not str:
        raise TypeError
    return date.fromisoformat(value).isoformat()


def _usd_per_million(value: Any) -> int:
    if type(value) not in {str, int, float}:
        raise TypeError
    return nano_usd_per_million(value)


def _usd_per_request(value: Any) -> int:
    if type(value) not in {str, int, float}:
        raise TypeError
    nano_usd_per_million(value)
    return nano_usd_per_million(Decimal(str(value)).scaleb(6))


def split_url(text: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of an http address; ValueError where it is none."""
    if not URL_TEXT.match(text):
        raise ValueError
    url = urlsplit(text)
    # `port` raises where it is no number or too large.
    if url.scheme not in schemes or not url.hostname or url.port == 0:
        raise ValueError
    if url.query or url.fragment or text.endswith(("?", "#")):
        raise ValueError
    return url


def _base_url(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    url = split_url(value, ("http", "https"))
    if "@" in url.netloc:
        raise ValueError
    return value.rstrip("/")


def _origin(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    if value == "*":
        return value
    url = split_url(value, ("http", "https"))
    if url.path or "@" in url.netloc:
        raise ValueError
    return value.lower()


def _proxy_url(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    if value and split_url(value, ("http",)).path not in {"", "/"}:
        raise ValueError
    return value.rstrip("/")


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise TypeError
    return tuple((_header_name(name), _header_value(text)) for name, text in value.items())


def _header_name(name: str) -> str:
    if not HEADER_NAME.match(name) or name.lower() in HEADERS_REFUSED:
        raise ValueError
    return name.lower()


def _header_value(text: Any) -> str:
    if type(text) is not str or not HEADER_VALUE.match(text):
        raise ValueError
    return text


def _usd(value: Any) -> str:
    """Kept as it is written: settings are shown as they were given."""
    if type(value) not in {str, int, float}:
        raise TypeError
    if nano_usd(value) < 0:
        raise ValueError
    return str(value)


FLAG: Final = checked("true or false", _flag)
LINE: Final = matching(TEXT, "a text of one line, not empty")
PROVIDER_SLUG: Final = matching(SLUG, "a provider's slug: 1-40 of a-z, 0-9 and -")
MODEL: Final = matching(MODEL_ID, 'a model id "publisher/name" without a tag')
VARIABLE: Final = matching(
    ENVIRONMENT_NAME, "the NAME of an environment variable (A-Z, 0-9, _), never the key itself", secret=True
)
TOKEN_PREFIX: Final = matching(
    re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+){0,3}_\Z"), 'like "wp_" or "hf_wp_"', secret=True
)
ISO_DATE: Final = checked('a date like "2026-06-01"', _iso_date)
USD_PER_MILLION: Final = checked('an amount of USD from 0 to 1,000,000, such as "0.10"', _usd_per_million)
USD_PER_REQUEST: Final = checked('an amount of USD from 0 to 1, such as "0.001"', _usd_per_request)
USD: Final = checked('an amount of USD, such as "5.00"', _usd)
BASE_URL: Final = checked(
    'an address like "https://api.example.com/v1", without user, password, query or fragment', _base_url, secret=True
)
ORIGIN: Final = checked('an origin like "https://chat.example.com", or "*"', _origin)
DATABASE: Final = matching(
    ADDRESS,
    'an address like "postgres://user:password@host:5432/name", with %3A, %2F, %40 for : / @ within its parts',
    secret=True,
)
PROXY_URL: Final = checked('an address like "http://proxy.example.com:3128"', _proxy_url, secret=True)
HEADERS: Final = checked(
    "a table of header names and plain texts; keys (authorization, api-key, cookie) and headers that we write "
    "ourselves do not belong here",
    _headers,
    secret=True,
)
