"""Columns of many rows as Postgres' array texts, so that one statement of fixed text writes any number of rows.

Row by row, or with a value for each field, Postgres would parse and psycopg adapt thousands of values a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

NULL: Final = "NULL"


def whole(value: int) -> str:
    """An integer. Raises TypeError for anything else, so that no text gets into the literal."""
    return int.__repr__(value)


def text(value: str) -> str:
    """A text; Postgres holds no NUL, so another mark stands for it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f'"{escaped}"'


def data(value: bytes) -> str:
    """Bytes."""
    return f'"\\\\x{value.hex()}"'


WRITERS: Final[dict[str, Callable[[Any], str]]] = {"bigint": whole, "text": text, "bytea": data}
TYPES: Final[dict[type, str]] = {int: "bigint", bool: "bigint", str: "text", bytes: "bytea"}


def array(kind: str, values: Iterable[Any]) -> str:
    """The literal of an array of a type. Raises TypeError and AttributeError for values of another one."""
    write = WRITERS[kind]
    return "{" + ",".join([NULL if value is None else write(value) for value in values]) + "}"


class ManyRows:
    """An INSERT of any number of rows. `table`, `columns` and `conflict` are constants of ours."""

    def __init__(self, table: str, columns: Sequence[str], types: Sequence[str | None], conflict: str = "") -> None:
        self._types = types
        chosen = ", ".join(NULL if kind is None else f"r.{name}" for name, kind in zip(columns, types, strict=True))
        arrays = ", ".join(f"%s::{kind}[]" for kind in types if kind is not None)
        names = ", ".join(name for name, kind in zip(columns, types, strict=True) if kind is not None)
        tail = f" ON CONFLICT {conflict}" if conflict else ""
        self.statement = (
            f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608 (constants)
            f" SELECT {chosen} FROM unnest({arrays}) AS r ({names}){tail}"
        )

    def values(self, rows: Iterable[Sequence[Any]]) -> list[str]:
        """What the statement takes, for these rows."""
        columns = zip(self._types, zip(*rows, strict=True), strict=True)
        return [array(kind, values) for kind, values in columns if kind is not None]


def types_of(rows: Sequence[Sequence[Any]]) -> list[str | None]:
    """The type of each column, from its first value that is one; None without any."""
    return [
        next((TYPES[type(value)] for value in values if value is not None), None) for values in zip(*rows, strict=True)
    ]
