"""Text that matches a regular expression of literals, classes, groups, alternatives and counts."""

from __future__ import annotations

import string
from typing import Final

_PRINTABLE: Final = string.ascii_letters + string.digits + " _-" + string.punctuation
_WORD: Final = string.ascii_letters + string.digits + "_"
_CLASSES: Final = {
    "d": string.digits,
    "w": _WORD,
    "s": " ",
    "D": "".join(character for character in _PRINTABLE if character not in string.digits),
    "W": "".join(character for character in _PRINTABLE if character not in _WORD),
    "S": _PRINTABLE.replace(" ", ""),
}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_REPEATS_MAX: Final = 4096
_LENGTH_MAX: Final = 65_536
_NESTING_MAX: Final = 50


class Unsupported(Exception):
    """The expression uses something this small writer does not know (look-around, back-reference, property)."""


class _TooLong(Unsupported):
    """The counts multiply beyond what anybody wants to read."""


def matching(pattern: str, length_min: int = 0, length_max: int | None = None) -> str:
    """The plainest text that `pattern` matches, and of a length between the two limits where counts allow it.

    Raises Unsupported where it cannot tell.
    """
    low, high = 0, length_min
    while low < high:
        more = (low + high) // 2
        if _long_enough(pattern, more, length_min):
            high = more
        else:
            low = more + 1
    text = _Writer(pattern, low).write()
    if len(text) < length_min or (length_max is not None and len(text) > length_max):
        raise Unsupported(f"no text between {length_min} and {length_max} characters found for {pattern!r}")
    return text


def _long_enough(pattern: str, more: int, length: int) -> bool:
    try:
        return len(_Writer(pattern, more).write()) >= length
    except _TooLong:
        return True


class _Writer:
    """One pass over an expression: reads it and writes the text at once. `more` lengthens every open count."""

    def __init__(self, pattern: str, more: int) -> None:
        self._pattern = pattern
        self._at = 0
        self._more = more
        self._nesting = 0

    def write(self) -> str:
        text = self._alternatives()
        if self._at < len(self._pattern):
            raise Unsupported(f"unbalanced {self._pattern!r}")
        return text

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise Unsupported(f"{self._pattern!r} ends too early")
        self._at += 1
        return character

    def _alternatives(self) -> str:
        first = self._sequence()
        while self._peek() == "|":
            self._take()
            self._sequence()
        return first

    def _sequence(self) -> str:
        text = ""
        while self._peek() not in ("", "|", ")"):
            text += self._count(self._atom())
        return text

    def _atom(self) -> str:
        character = self._take()
        match character:
            case "^" | "$":
                return ""
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._escape()[:1]
            case ".":
                return "a"
            case "*" | "+" | "?":
                raise Unsupported(f"nothing to repeat in {self._pattern!r}")
            case _:
                return character

    def _group(self) -> str:
        if self._peek() == "?":
            if self._pattern[self._at : self._at + 2] != "?:":
                raise Unsupported(f"a special group in {self._pattern!r}")
            self._at += 2
        self._nesting += 1
        if self._nesting > _NESTING_MAX:
            raise Unsupported(f"more than {_NESTING_MAX} groups within groups")
        text = self._alternatives()
        self._nesting -= 1
        if self._take() != ")":
            raise Unsupported(f"unbalanced {self._pattern!r}")
        return text

    def _escape(self) -> str:
        """What an escape stands for: all of its characters."""
        character = self._take()
        if character in "bBAZz":
            return ""
        if character.isalnum() and character not in _CLASSES and character not in _ESCAPES:
            raise Unsupported(f"\\{character} in {self._pattern!r}")
        return _CLASSES.get(character) or _ESCAPES.get(character, character)

    def _class(self) -> str:
        negated = self._peek() == "^" and bool(self._take())
        members = self._class_item()
        while self._peek() != "]":
            members += self._class_item()
        self._take()
        if negated:
            members = "".join(character for character in _PRINTABLE if character not in members)
        if not members:
            raise Unsupported(f"an empty class in {self._pattern!r}")
        return members[0]

    def _class_item(self) -> str:
        first = self._take()
        members = self._escape() if first == "\\" else first
        if self._peek() != "-" or self._pattern[self._at + 1 : self._at + 2] in ("]", "") or len(members) != 1:
            return members
        self._take()
        last = self._take()
        last = self._escape() if last == "\\" else last
        if len(last) != 1 or not ord(members) <= ord(last) < ord(members) + _REPEATS_MAX:
            raise Unsupported(f"a range in {self._pattern!r}")
        return "".join(map(chr, range(ord(members), ord(last) + 1)))

    def _count(self, atom: str) -> str:
        mark = self._peek()
        if mark not in ("*", "+", "?", "{") or not mark:
            return atom
        least, most = self._limits(self._take())
        if self._peek() in ("?", "+") and self._peek():
            self._take()
        times = min(least + self._more, least + _REPEATS_MAX if most is None else most)
        if len(atom) * times > _LENGTH_MAX:
            raise _TooLong(f"more than {_LENGTH_MAX} characters for {self._pattern!r}")
        return atom * times

    def _limits(self, mark: str) -> tuple[int, int | None]:
        if mark != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]
        inside, closed, _ = self._pattern[self._at :].partition("}")
        least, comma, most = inside.partition(",")
        if not closed or not least.isdigit() or (most and not most.isdigit()):
            raise Unsupported(f"a count in {self._pattern!r}")
        self._at += len(inside) + 1
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else None
