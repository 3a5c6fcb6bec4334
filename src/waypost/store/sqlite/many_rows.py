"""Many rows in one statement: row by row, the interpreter lock would be given away and fought for at every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw

SIZES: Final = (64, 16, 4, 1)


class ManyRows:
    """An INSERT prepared for a few numbers of rows. `table`, `columns` and `conflict` are constants of ours."""

    def __init__(self, verb: str, table: str, columns: Sequence[str], conflict: str = "") -> None:
        row = f"({', '.join('?' * len(columns))})"
        head = f"{verb} INTO {table} ({', '.join(columns)}) VALUES "
        tail = f" ON CONFLICT {conflict}" if conflict else ""
        self._statements = [(size, head + ", ".join([row] * size) + tail) for size in SIZES]

    def write(self, connection: apsw.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Write all rows, in as few statements as possible."""
        start, end = 0, len(rows)
        for size, statement in self._statements:
            while end - start >= size:
                values = [value for row in rows[start : start + size] for value in row]
                connection.execute(statement, values)
                start += size
