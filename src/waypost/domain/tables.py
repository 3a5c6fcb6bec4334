"""Tables that people write: what each key must be, and every fault found in one reading.

A *kind* says in words what a value must be and reads it. A *shape* is a frozen dataclass whose fields are made with
`setting`, so that the reader, the reference page and the defaults are one text. Reading collects faults and goes on:
whoever mends a file wants to see all of them at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
SHOWN_CHARACTERS_MAX: Final = 40
SECRET_WORDS: Final = ("key", "token", "secret", "password", "passwd", "auth", "credential", "cookie")


class Kind(NamedTuple):
    """What a value must be."""

    words: str
    """Finishes the sentence "it must be …"."""
    read: Callable[[Any], Any]
    """The value as we keep it. Raises ValueError or TypeError; the words say the rest."""
    secret: bool = False
    """A wrong value may be a secret that was put in the wrong place, so it is never shown."""


class Fault(NamedTuple):
    """One thing that is wrong, in one line."""

    where: str
    """The file, `environment` or `command line`."""
    key: str
    message: str

    @property
    def line(self) -> str:
        """How a person reads it."""
        line = " ".join(f"{self.where}: {self.key} {self.message}".split())
        # A file may hold anything, and a terminal obeys some of it.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class Place(NamedTuple):
    """Where a table stands, and where its faults go."""

    where: str
    key: str
    faults: list[Fault]

    def at(self, name: str) -> Place:
        """The place of a key in this table."""
        return Place(self.where, dotted(self.key, name), self.faults)

    def fault(self, message: str) -> None:
        """Note that something here is wrong."""
        self.faults.append(Fault(self.where, self.key, message))


def setting(kind: Kind, default: Any, meaning: str) -> Any:
    """A field of a shape."""
    return field(default=default, repr=not kind.secret, metadata={"kind": kind, "meaning": meaning})


def settings_of(shape: type) -> dict[str, tuple[Kind, Any, str]]:
    """Kind, default and meaning of every field of a shape, by name."""
    return {f.name: (f.metadata["kind"], f.default, f.metadata["meaning"]) for f in fields(shape)}


def read_given(shape: type, table: object, place: Place, also: Iterable[str] = ()) -> dict[str, Any]:
    """The values a table gives for a shape, read; wrong and unknown ones become faults and are left out.

    `also` names keys that stand in the same table and are read by somebody else.
    """
    if not isinstance(table, Mapping):
        place.fault(f"must be a table, not {shown(table)}")
        return {}
    kinds = settings_of(shape)
    others = frozenset(also)
    given: dict[str, Any] = {}
    for name, value in table.items():
        if name in kinds:
            given |= read_one(kinds[name][0], value, place.at(name), name)
        elif name not in others:
            place.at(name).fault(f"is no setting{did_you_mean(name, [*kinds, *others])}")
    return given


def read_one(kind: Kind, value: Any, place: Place, name: str) -> dict[str, Any]:
    """The value, read, under its name; nothing where it is wrong, and then `place` has one more fault."""
    try:
        return {name: kind.read(value)}
    except (ValueError, TypeError):
        place.fault(f"must be {kind.words}" + ("" if kind.secret else f", not {shown(value)}"))
        return {}


def dotted(key: str, name: str) -> str:
    """The key of `name` in the table `key`, quoted as TOML wants it."""
    quoted = name if BARE_KEY.match(name) else json.dumps(name, ensure_ascii=False)
    return f"{key}.{quoted}" if key else quoted


def shown(value: object) -> str:
    """A wrong value, short and on one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 1] + "…"


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The nearest spelling among words, where one is near."""
    close = get_close_matches(word, list(words), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean "…"?`, or nothing."""
    near = nearest(word, words)
    return f'; did you mean "{near}"?' if near else ""


def looks_secret(name: str) -> bool:
    """Whether a name says that its value should not be shown."""
    lower = name.lower()
    return any(word in lower for word in SECRET_WORDS)
