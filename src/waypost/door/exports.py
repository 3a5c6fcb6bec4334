"""Tables that leave as CSV or JSON, row by row, so that no export is too large for the memory of either side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse

from waypost.door.forms import Query, invalid
from waypost.wire.csv_text import csv_lines

JSON: Final = "json"
CSV: Final = "csv"
Row = Mapping[str, Any]
_encode = msgspec.json.Encoder().encode


def wanted_format(http: Request, query: Query) -> str:
    """`json` or `csv`: what `format` says, else what the client would rather have."""
    said = query.text("format")
    if said is not None:
        if said not in {JSON, CSV}:
            raise invalid("format", '"json" or "csv"', f"it is {said[:80]!r}")
        return said
    accepted = [part.partition(";")[0].strip() for part in http.headers.get("accept", "").split(",")]
    return CSV if "text/csv" in accepted and "application/json" not in accepted else JSON


def csv_export(columns: Sequence[str], pages: AsyncIterator[Sequence[Row]], name: str) -> StreamingResponse:
    """Pages of rows as one file."""

    async def text() -> AsyncIterator[str]:
        yield csv_lines(columns, ())
        async for page in pages:
            yield csv_lines(columns, page, heading=False)

    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(text(), headers=headers, media_type="text/csv")


def json_export(pages: AsyncIterator[Sequence[Row]]) -> StreamingResponse:
    """Pages of rows as one JSON list inside our envelope."""

    async def text() -> AsyncIterator[bytes]:
        before = b'{"object":"list","data":['
        async for page in pages:
            if page:
                yield before + b",".join(map(_encode, page))
                before = b","
        yield (b"" if before == b"," else before) + b"]}"

    return StreamingResponse(text(), media_type="application/json")


async def one_page(rows: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    """Rows that are all there."""
    yield rows
