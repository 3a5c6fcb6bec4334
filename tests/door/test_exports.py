"""Tables that leave: page by page, complete, and harmless where they arrive."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from running import run_to_end

from waypost.door.exports import Row, csv_export, json_export


async def pages(*found: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    for page in found:
        yield page


def body_of(response) -> bytes:
    async def gather() -> bytes:
        return b"".join([part if isinstance(part, bytes) else part.encode() async for part in response.body_iterator])

    return run_to_end(gather())


@pytest.mark.parametrize("found", [[], [[]], [[{"a": 1}], [{"a": 2}, {"a": 3}]], [[], [{"a": 1}], [], [{"a": 2}]]])
def test_pages_become_one_list(found) -> None:
    together = [row for page in found for row in page]
    assert json.loads(body_of(json_export(pages(*found)))) == {"object": "list", "data": together}
    reply = csv_export(("a",), pages(*found), "things")
    assert [int(row["a"]) for row in csv.DictReader(io.StringIO(body_of(reply).decode()))] == [r["a"] for r in together]
    assert reply.headers["content-disposition"] == 'attachment; filename="things.csv"'
