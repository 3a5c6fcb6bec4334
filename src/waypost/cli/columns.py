"""Lists and single things in each format: aligned for people, JSON and tab-separated values for programs."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from waypost.cli.amounts import known
from waypost.cli.screen import Screen, as_called, plain

GAP: Final = "  "
FLEX_WIDTH_MIN: Final = 12
ZERO_WIDTH: Final = ("Mn", "Me", "Cf")


class Column(NamedTuple):
    """One column of a list of JSON objects."""

    title: str
    """For people in capitals; in tab-separated values in small letters with underscores."""
    value: Callable[[Any], Any]
    """What an object has in this column."""
    shown: Callable[[Any], str] = known
    """The value, for people."""
    right: bool = False
    flex: bool = False
    """May be cut where the terminal is narrow."""
    wrap: bool = False
    """Goes on in the next line instead of being cut: for reasons, which are what people came for."""
    spare: int = 0
    """Left out for people where even cut columns have no room; the greatest goes first, 0 never."""
    paint: Callable[[Screen, str], str] | None = None
    key: str = ""
    """In tab-separated values, where it is not the title."""
    optional: bool = False
    """Left out for people where nothing is in it."""
    wide: int = 0
    """At least so many places, where lines are printed one by one."""

    @property
    def name(self) -> str:
        return self.key or self.title.lower().replace(" ", "_")


def show_list(screen: Screen, items: Sequence[Any], columns: Sequence[Column], nothing: str = "") -> None:
    """Every object of a list. `nothing` is said to people when it is empty; the first column is the quiet one."""
    if screen.style == "json":
        screen.json(items)
    elif screen.style == "quiet":
        screen.rows([columns[0].value(item)] for item in items)
    elif screen.style == "tsv":
        screen.rows([[column.name for column in columns], *([c.value(item) for c in columns] for item in items)])
    elif items:
        for line in lines_of(screen, items, columns):
            screen.out(line)
    elif nothing:
        screen.note(as_called(nothing))


def show_one(screen: Screen, item: Any, facts: Sequence[tuple[str, Any]]) -> None:
    """A single thing: its fields for programs, its facts for people; the first fact is the quiet one."""
    if screen.style == "json":
        screen.json(item)
    elif screen.style == "quiet":
        screen.rows([facts[0][1:]])
    elif screen.style == "tsv":
        screen.rows(item.items())
    else:
        told = [(name, value) for name, value in facts if value not in (None, "")]
        wide = max(len(name) for name, _ in told)
        for name, value in told:
            screen.out(f"{screen.dim(name.ljust(wide))}{GAP}{plain(known(value))}")


def lines_of(screen: Screen, items: Sequence[Any], columns: Sequence[Column]) -> list[str]:
    """A table; on a terminal too narrow for its least, a paragraph for each object."""
    layout = _layout(screen, items, columns)
    if screen.width is None or sum(layout.widths) + len(GAP) * (len(layout.widths) - 1) <= screen.width:
        return _drawn(screen, layout)
    return [line for item in items for line in ("", *_paragraph(screen, item, columns))][1:]


def table(screen: Screen, items: Sequence[Any], columns: Sequence[Column]) -> list[str]:
    """The lines of a table: a heading, and a line for each object."""
    return _drawn(screen, _layout(screen, items, columns))


class _Layout(NamedTuple):
    """A table before it is drawn."""

    columns: Sequence[Column]
    widths: list[int]
    cells: list[list[str]]


def _layout(screen: Screen, items: Sequence[Any], columns: Sequence[Column]) -> _Layout:
    columns = [one for one in columns if not one.optional or any(one.value(item) not in (None, "") for item in items)]
    cells = [[plain(column.shown(column.value(item))) for column in columns] for item in items]
    widths = [
        max(width(column.title), column.wide, *(width(row[place]) for row in cells))
        for place, column in enumerate(columns)
    ]
    places = _kept(widths, columns, screen.width)
    columns, widths = [columns[place] for place in places], [widths[place] for place in places]
    _narrow(widths, columns, screen.width)
    return _Layout(columns, widths, [[row[place] for place in places] for row in cells])


def _drawn(screen: Screen, layout: _Layout) -> list[str]:
    columns, widths, cells = layout
    lines = [screen.dim(_line([column.title for column in columns], widths, columns))]
    for row in cells:
        lines += _row(row, widths, columns, screen)
    return lines


def _paragraph(screen: Screen, item: Any, columns: Sequence[Column]) -> Iterator[str]:
    """A line for each thing that is known of an object, folded behind its title."""
    wide = max(width(column.title) for column in columns)
    room = max((screen.width or 0) - wide - len(GAP), FLEX_WIDTH_MIN)
    for column in columns:
        value = column.value(item)
        if value in (None, ""):
            continue
        first, *more = folded(plain(column.shown(value)), room)
        painted = column.paint(screen, first) if column.paint is not None else first
        yield f"{screen.dim(column.title.ljust(wide))}{GAP}{painted}"
        yield from (" " * (wide + len(GAP)) + line for line in more)


def width(text: str) -> int:
    """Places a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_places(character) for character in text)


def _places(character: str) -> int:
    if unicodedata.category(character) in ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, places: int) -> str:
    """The text, shortened to so many places where it is longer."""
    if width(text) <= places:
        return text
    return _beginning(text, places - 1).rstrip() + "…"


def _beginning(text: str, places: int) -> str:
    """What of a text takes no more than so many places."""
    used = 0
    for place, character in enumerate(text):
        used += _places(character)
        if used > places:
            return text[:place]
    return text


def folded(text: str, places: int) -> list[str]:
    """The text in lines of so many places, broken between words; in a word only where a line cannot hold it."""
    lines = [""]
    for word in (piece for whole in text.split(" ") for piece in _pieces(whole, places)):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and width(longer) > places:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _pieces(word: str, places: int) -> Iterator[str]:
    while width(word) > places:
        piece = _beginning(word, places) or word[:1]
        yield piece
        word = word.removeprefix(piece)
    yield word


def _kept(widths: list[int], columns: Sequence[Column], places_max: int | None) -> list[int]:
    """The places of the columns for which there is room. What lines printed one by one hold makes no difference."""
    least = [
        min(column.wide or places, FLEX_WIDTH_MIN) if column.flex else column.wide or places
        for places, column in zip(widths, columns, strict=True)
    ]
    kept = list(range(len(columns)))
    while places_max is not None and sum(least[place] + len(GAP) for place in kept) - len(GAP) > places_max:
        spare = max(kept, key=lambda place: columns[place].spare)
        if not columns[spare].spare:
            break
        kept.remove(spare)
    return kept


def _narrow(widths: list[int], columns: Sequence[Column], places_max: int | None) -> None:
    """Take what is too much from the widest of the columns that may be cut."""
    flexible = [place for place, column in enumerate(columns) if column.flex]
    while places_max is not None and flexible:
        over = sum(widths) + len(GAP) * (len(widths) - 1) - places_max
        widest = max(flexible, key=lambda place: widths[place])
        if over <= 0 or widths[widest] <= FLEX_WIDTH_MIN:
            return
        others = [widths[place] for place in flexible if place != widest]
        floor = max([FLEX_WIDTH_MIN, *(other for other in others if other <= widths[widest])])
        widths[widest] -= min(over, max(1, widths[widest] - floor))


def _row(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column], screen: Screen) -> Iterator[str]:
    cells = [
        folded(text, places) if column.wrap else [text]
        for text, places, column in zip(row, widths, columns, strict=True)
    ]
    for parts in zip_longest(*cells, fillvalue=""):
        yield _line(parts, widths, columns, screen)


def _line(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column], screen: Screen | None = None) -> str:
    shown = []
    for text, places, column in zip(row, widths, columns, strict=True):
        fitted = cut(text, places)
        space = " " * (places - width(fitted))
        painted = column.paint(screen, fitted) if screen is not None and column.paint is not None and fitted else fitted
        shown.append(space + painted if column.right else painted + space)
    return GAP.join(shown).rstrip()
