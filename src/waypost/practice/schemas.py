"""A JSON value that a schema accepts, as plausible as the prompt allows: for structured output and tool arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, NamedTuple

from waypost.practice.numbers import Limits
from waypost.practice.patterns import Unsupported, matching
from waypost.practice.words import Dice

_DEPTH_MAX: Final = 6
_STEPS_MAX: Final = 50
_COMPOSED: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
_ITEMS: Final = 2
_ITEMS_MAX: Final = 1000
_LENGTH_MAX: Final = 65_536
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,6})?(?![\w])")
_PROPER: Final = re.compile(r"(?<=[a-z,:;] )[A-Z][\w-]+(?: [A-Z][\w-]+)*")
_FORMATS: Final = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "parrot@practice.example",
    "idn-email": "parrot@practice.example",
    "hostname": "practice.example",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://practice.example/",
    "url": "https://practice.example/",
    "uri-reference": "/parrot",
    "iri": "https://practice.example/",
    "json-pointer": "/parrot",
    "regex": "^parrot$",
    "uuid": "6fa459ea-ee8a-4ca4-894e-db77e160355e",
}
_SAYS_ALL: Final = {"query", "question", "text", "message", "input", "prompt", "content", "topic", "title", "answer"}
_TYPES_BY_KEYWORD: Final = (
    ("properties", "object"),
    ("required", "object"),
    ("items", "array"),
    ("prefixItems", "array"),
    ("minimum", "number"),
    ("maximum", "number"),
    ("multipleOf", "number"),
)


class Spot(NamedTuple):
    """Where in the value we are: the property's name, how deep, and which of several items."""

    name: str = "answer"
    depth: int = 0
    which: int = 0

    def into(self, name: str, which: int = 0) -> Spot:
        return Spot(name, self.depth + 1, which)


def value_for(schema: Any, prompt: str, which: int = 0) -> Any:
    """A value that `schema` accepts. `which` tells several values for one prompt apart (two cities, two calls)."""
    return _Maker(schema, prompt).make(schema, Spot(which=which))


def proper_names(prompt: str) -> list[str]:
    """Names of places, people and things in a prompt: capitalised words inside a sentence."""
    return _PROPER.findall(prompt)


class _Maker:
    """Makes one value; holds the whole schema because references point into it."""

    def __init__(self, root: Any, prompt: str) -> None:
        self._root = root
        self._prompt = prompt
        self._dice = Dice("schema", prompt)
        self._kinds: dict[str, Callable[[dict[str, Any], Spot], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "number": self._number,
            "integer": self._number,
            "boolean": lambda _schema, _spot: self._dice.below(2) == 1,
            "null": lambda _schema, _spot: None,
        }

    def make(self, schema: Any, spot: Spot) -> Any:
        if not isinstance(schema, dict):
            return self._say(spot)
        schema = self._resolved(schema, spot)
        if "const" in schema:
            return schema["const"]
        if options := schema.get("enum"):
            return self._option(options, spot)
        kind = _kind(schema)
        return self._kinds[kind](schema, spot) if kind in self._kinds else self._say(spot)

    def _resolved(self, schema: dict[str, Any], spot: Spot) -> dict[str, Any]:
        """The schema with its references followed, `allOf` joined in and one branch of `anyOf`/`oneOf` taken."""
        for _ in range(_STEPS_MAX):
            if not _COMPOSED & schema.keys():
                break
            rest = {key: value for key, value in schema.items() if key not in _COMPOSED}
            if "$ref" in schema:
                rest = _joined(self._target(schema["$ref"]), rest)
            for part in schema.get("allOf") or ():
                rest = _joined(rest, part)
            for keyword in ("anyOf", "oneOf"):
                if schema.get(keyword):
                    rest = _joined(rest, self._branch(schema[keyword], spot))
            schema = rest
        return schema

    def _target(self, reference: Any) -> Any:
        """What `#/$defs/Name` points at; an unknown address allows anything."""
        found = self._root
        for step in str(reference).removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def _branch(self, branches: list[Any], spot: Spot) -> Any:
        """The first branch that says something; deep down the plainest, so that recursion ends."""
        if spot.depth >= _DEPTH_MAX:
            plain = [
                branch
                for branch in branches
                if isinstance(branch, dict) and _kind(branch) not in ("object", "array", "")
            ]
            return next(iter(plain), branches[0])
        return next(
            (branch for branch in branches if not isinstance(branch, dict) or _kind(branch) != "null"), branches[0]
        )

    def _option(self, options: list[Any], spot: Spot) -> Any:
        """One of an enumeration: the one the prompt names, if it names one."""
        said = self._prompt.lower()
        named = [option for option in options if isinstance(option, str) and option and option.lower() in said]
        return named[0] if named and not spot.which else options[spot.which % len(options)]

    def _object(self, schema: dict[str, Any], spot: Spot) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = [name for name in schema.get("required") or () if isinstance(name, str)]
        names = [name for name in properties if name in required or spot.depth < _DEPTH_MAX]
        names += [name for name in required if name not in properties]
        most = schema.get("maxProperties")
        if most is not None and len(names) > most:
            names = required + [name for name in names if name not in required]
            names = names[: max(int(most), len(required))]
        other = schema.get("additionalProperties", True)
        made = {name: self.make(properties.get(name, other), spot.into(name, spot.which)) for name in names}
        for number in range(min(int(schema.get("minProperties") or 0), _ITEMS_MAX)):
            if len(made) >= int(schema["minProperties"]):
                break
            made.setdefault(f"key{number + 1}", self.make(other, spot.into(f"key{number + 1}")))
        return made

    def _array(self, schema: dict[str, Any], spot: Spot) -> list[Any]:
        first = schema.get("prefixItems") or []
        rest = schema.get("items", True)
        unique = schema.get("uniqueItems") is True
        least = int(schema.get("minItems") or 0)
        most = int(schema.get("maxItems", max(least, len(first), 0 if spot.depth >= _DEPTH_MAX else _ITEMS)))
        length = len(first) if rest is False else max(least, len(first) or _ITEMS)
        if spot.depth >= _DEPTH_MAX:
            length = least
        length = min(length, most, _ITEMS_MAX)
        schemas = [*first, *[rest] * max(0, length - len(first))][:length]
        made: list[Any] = []
        for index, part in enumerate(schemas):
            tries = (self.make(part, spot.into(spot.name, index + later)) for later in range(_ITEMS_MAX))
            made.append(next((value for value in tries if value not in made), None) if unique else next(tries))
        return made

    def _string(self, schema: dict[str, Any], spot: Spot) -> str:
        least = min(int(schema.get("minLength") or 0), _LENGTH_MAX)
        most = schema.get("maxLength")
        most = _LENGTH_MAX if most is None else int(most)
        if "pattern" in schema:
            return _patterned(str(schema["pattern"]), least, most) or self._say(spot)
        text = _FORMATS.get(str(schema.get("format"))) or self._say(spot)
        return (text + " and so on" * math.ceil(max(0, least - len(text)) / 10))[:most] if most else ""

    def _number(self, schema: dict[str, Any], spot: Spot) -> float:
        """The number the prompt names where the limits allow it, else the lowest allowed one."""
        limits = Limits.of(schema, whole=_kind(schema) == "integer")
        named = [] if spot.which else [Fraction(found) for found in _NUMBER.findall(self._prompt[:1000])]
        value = next((number for number in [*named, *limits.tries(spot.which)] if limits.allow(number)), Fraction(0))
        return int(value) if value.denominator == 1 else float(value)

    def _say(self, spot: Spot) -> str:
        """Text for a property: a name from the prompt, the prompt itself, or the property's own name."""
        names = proper_names(self._prompt[:_LENGTH_MAX])
        if spot.which < len(names) and spot.name.lower() not in _SAYS_ALL:
            return names[spot.which]
        said = self._prompt[:200] if spot.name.lower() in _SAYS_ALL else ""
        return (said or spot.name) + (f" {spot.which + 1}" if spot.which else "")


def _kind(schema: dict[str, Any]) -> str:
    """The JSON type a schema asks for; the first that is not null, where there are several."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = next((found for keyword, found in _TYPES_BY_KEYWORD if keyword in schema), "")
    return str(kind)


def _joined(base: Any, more: Any) -> dict[str, Any]:
    """Two schemas that must both hold, laid over each other."""
    if not isinstance(base, dict) or not isinstance(more, dict):
        return base if isinstance(base, dict) else more if isinstance(more, dict) else {}
    joined = {**base, **more}
    if "properties" in base and "properties" in more:
        joined["properties"] = {**base["properties"], **more["properties"]}
    if "required" in base and "required" in more:
        joined["required"] = [*base["required"], *(name for name in more["required"] if name not in base["required"])]
    return joined


def _patterned(pattern: str, least: int, most: int) -> str:
    try:
        return matching(pattern, least, most)
    except Unsupported:
        return ""
