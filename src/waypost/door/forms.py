"""Reading what cold routes are asked: query strings and small JSON bodies, each fault named."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request

from waypost.domain.problems import Refusal
from waypost.domain.tables import did_you_mean

SHOWN_CHARS_MAX: Final = 80
UNIX_SECONDS_MAX: Final = 253_402_300_799
"""The last second of the year 9999."""

FIELD: Final = re.compile(r"`\$\.([^`\[.]+)[^`]*`$|field `([^`]*)`")

Shape = TypeVar("Shape")


def invalid(param: str, must_be: str, why: str = "") -> Refusal:
    """A field or parameter that is not what it must be."""
    return Refusal("invalid_request", f"`{param}` must be {must_be}.", why=why, fix=f"Correct `{param}`.", param=param)


class Query:
    """A query string. A name we do not know is refused, because a filter that is not applied misleads."""

    def __init__(self, http: Request, known: Collection[str], *, strict: bool = True) -> None:
        self._pairs = http.query_params.multi_items()
        for name, _ in self._pairs:
            if strict and name not in known:
                raise Refusal(
                    "invalid_request",
                    f"`{name[:SHOWN_CHARS_MAX]}` is no parameter of this route{did_you_mean(name, known)}",
                    why="unknown parameters are not ignored",
                    fix=f"Known: {', '.join(known)}.",
                    param=name[:SHOWN_CHARS_MAX],
                )

    def all(self, *names: str) -> list[str]:
        """Every value of these names; a value may hold several, separated by commas."""
        values = [value for name, value in self._pairs if name in names]
        return [word.strip() for value in values for word in value.split(",") if word.strip()]

    def text(self, name: str) -> str | None:
        """The value; an empty one is none."""
        return self._one(name) or None

    def read(self, name: str, read: Callable[[str], Any], must_be: str) -> Any:
        """The value, read; None where the parameter was not sent. An empty one was."""
        value = self._one(name)
        if value is None:
            return None
        try:
            return read(value)
        except (ValueError, LookupError, OverflowError, OSError):
            raise invalid(name, must_be, f"it is {value[:SHOWN_CHARS_MAX]!r}") from None

    def _one(self, name: str) -> str | None:
        values = [value for each, value in self._pairs if each == name]
        if len(values) > 1:
            raise invalid(name, "there at most once", f"it came {len(values)} times")
        return values[0] if values else None

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        """A whole number in a range."""

        def read(value: str) -> int:
            # int() takes underscores, blanks and the digits of every script; a query takes only ours
            if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
                raise ValueError
            return int(value)

        found = self.read(name, read, f"a whole number from {low} to {high}")
        return default if found is None else int(found)

    def flag(self, name: str) -> bool:
        """True or false."""
        words = {"true": True, "1": True, "false": False, "0": False}

        def read(value: str) -> bool:
            if value.lower() not in words:
                raise ValueError
            return words[value.lower()]

        return bool(self.read(name, read, "true or false"))

    def time_ms(self, name: str) -> int | None:
        """A point in time as Unix milliseconds."""
        found = self.read(name, read_time_ms, 'an ISO time such as "2026-11-20T08:00:00Z", or Unix seconds')
        return None if found is None else int(found)


def read_time_ms(text: str) -> int:
    """ISO 8601 (UTC where no offset is given) or Unix seconds as Unix milliseconds. Raises ValueError."""
    if text.isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text)
        if seconds > UNIX_SECONDS_MAX:
            raise ValueError
        return int(seconds * 1000)
    # "+00:00" in a query arrives with a blank for its plus sign
    when = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    ms = int(when.timestamp() * 1000)
    if ms < 0:
        raise ValueError
    return ms


def iso(ms: int) -> str:
    """Unix milliseconds as `2026-11-20T08:15:30.123Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def read_form(http: Request, shape: type[Shape]) -> Shape:
    """A JSON body in the shape of a struct. Raises Refusal `invalid_request`, naming the field."""
    body = await http.body()
    try:
        return msgspec.json.decode(body, type=shape, strict=True)
    except msgspec.ValidationError as error:
        field = _field_in(str(error))
        raise Refusal(
            "invalid_request",
            f"`{field}` is not what it must be." if field else "The body is not what it must be.",
            why=str(error),
            fix="See /openapi.json for the shape of the body.",
            param=field,
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(
            "invalid_request", "The body must be a JSON object.", why=str(error), fix="Send valid JSON in UTF-8."
        ) from None


def _field_in(message: str) -> str | None:
    """The field of an error such as "… - at `$.order[0]`" or "Object missing required field `name`"."""
    found = FIELD.search(message)
    return (found[1] or found[2]) if found else None
