"""`waypost requests list` and `tail`: past requests, and those that end now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from waypost.cli.access import router_for
from waypost.cli.amounts import count, duration, local_time, moment, rate, usd
from waypost.cli.columns import Column, show_list, table
from waypost.cli.options import Call, usage_error
from waypost.cli.router_calls import Router
from waypost.cli.screen import Screen

PATH: Final = "/v1/requests"
PAGE: Final = 200
TAIL_PAGE: Final = 50
POLL_SECONDS: Final = 0.5
FILTERS: Final = {"user": "caller", "token_name": "token"}
"""Option → parameter, where they are called differently."""
Bill = dict[str, Any]


def show_requests(call: Call, limit: int, *, strangers: bool, **filters: Any) -> None:
    """So many requests, newest first."""
    router = router_for(call.where)
    if strangers:
        found = router.get(PATH, {"strangers": "true", "limit": min(limit, PAGE)})["data"]
        show_list(call.screen, found, STRANGERS, "Nobody unknown has called.")
        return
    found = list(_pages(router, _query(filters), limit))
    show_list(call.screen, found, LIST, "No request fits.")
    if found:
        call.screen.hint(f"waypost explain {found[0]['id']}")


def follow_requests(call: Call, limit: int | None, **filters: Any) -> None:
    """Requests as they end, until so many were shown or somebody presses Ctrl-C."""
    router, query = router_for(call.where), _query(filters)
    screen = call.screen
    seen = {bill["id"] for bill in _pages(router, query, TAIL_PAGE)}
    if screen.human:
        screen.note(screen.faint("Requests as they end; Ctrl-C leaves."))
    elif screen.style == "tsv":
        screen.rows([[column.name for column in COLUMNS]])
        screen.flush()
    shown = 0
    while shown != limit:
        newest = list(_newest(router, query, seen))
        for bill in reversed([bill for bill in newest if bill["id"] not in seen][: limit and limit - shown]):
            _show_line(screen, bill, heading=shown == 0)
            shown += 1
        seen = {bill["id"] for bill in newest}
        time.sleep(POLL_SECONDS if shown != limit else 0)


def _newest(router: Router, query: dict[str, Any], seen: set[str]) -> Iterator[Bill]:
    """The newest ones, down to some that were there before.

    Ids are in the order in which requests began, so one that took long appears between others that were seen already.
    """
    known = 0
    for bill in _pages(router, query, None, TAIL_PAGE):
        yield bill
        known += bill["id"] in seen
        if known == TAIL_PAGE:
            return


def _pages(router: Router, query: dict[str, Any], limit: int | None, page_size: int = PAGE) -> Iterator[Bill]:
    """Bills, newest first, from as many pages as it takes."""
    before, left = None, limit
    while left is None or left > 0:
        size = page_size if left is None else min(left, page_size)
        page = router.get(PATH, query | {"before": before, "limit": size})
        yield from page["data"]
        before = page.get("next")
        if before is None:
            return
        left = None if left is None else left - size


def _query(filters: dict[str, Any]) -> dict[str, Any]:
    query = {FILTERS.get(name, name): value for name, value in filters.items() if value is not None}
    for name in ("since", "until"):
        if name in query:
            query[name] = _time(name, query[name])
    return query


def _time(name: str, text: str) -> str:
    try:
        return f"{moment(text, datetime.now(UTC), -1).timestamp():.3f}"
    except (ValueError, OverflowError):
        raise usage_error(
            f"--{name} {text!r} is no time.", "Write 15m, 2h or 7d, or a time like 2026-11-20T08:00:00Z."
        ) from None


def _show_line(screen: Screen, bill: Bill, *, heading: bool) -> None:
    if screen.style == "json":
        screen.json(bill, line=True)
    elif screen.style == "quiet":
        screen.rows([[bill["id"]]])
    elif screen.style == "tsv":
        screen.rows([[column.value(bill) for column in COLUMNS]])
    else:
        lines = table(screen, [bill], TAIL)
        for line in lines if heading else lines[1:]:
            screen.out(line)
    screen.flush()


def _usage(bill: Bill, *names: str) -> int | None:
    usage = bill["usage"]
    return None if usage is None else sum(usage[name] for name in names)


def _speed(bill: Bill) -> float | None:
    """Only a stream tells how fast the words came."""
    speed: float | None = bill["timing"]["output_tokens_per_s"]
    return speed if bill["stream"] else None


def _result(bill: Bill) -> str:
    """`200`, or the code that says more."""
    return bill["code"] or str(bill["status"])


def _painted(screen: Screen, outcome: str) -> str:
    colours = {"delivered": screen.green, "left": screen.yellow}
    return colours.get(outcome.strip(), screen.red)(outcome)


COLUMNS: Final = (
    Column("ID", lambda bill: bill["id"]),
    Column("AT", lambda bill: bill["at"], local_time, spare=1),
    Column("CALLER", lambda bill: bill["caller"]["user"], flex=True, spare=5),
    Column("MODEL", lambda bill: bill["model"], flex=True, wide=24),
    Column("POLICY", lambda bill: bill["policy"], spare=6),
    Column("PROVIDER", lambda bill: bill["served_by"], flex=True, wide=16),
    Column("OUTCOME", lambda bill: bill["outcome"], paint=_painted, wide=9, spare=3),
    Column("RESULT", _result, wide=8),
    Column(
        "FIRST WORD", lambda bill: bill["timing"]["first_word_ms"], duration, right=True, key="first_word_ms", spare=9
    ),
    Column("WHOLE", lambda bill: bill["timing"]["ms"], duration, right=True, key="ms", wide=8, spare=2),
    Column("IN", lambda bill: _usage(bill, "input", "cached_input"), count, right=True, key="input_tokens", spare=7),
    Column("OUT", lambda bill: _usage(bill, "output", "reasoning"), count, right=True, key="output_tokens", spare=7),
    Column("PER S", _speed, rate, right=True, key="output_tokens_per_s", spare=8),
    Column("COST", lambda bill: bill["charge_nano_usd"], usd, right=True, key="charge_nano_usd", wide=10, spare=4),
)
LIST: Final = tuple(column._replace(wide=0) for column in COLUMNS)
TAIL: Final = tuple(column for column in COLUMNS if column.wide or column.title in ("ID", "AT"))
"""Shown while lines come one by one."""
STRANGERS: Final = (
    Column("ID", lambda row: row["id"]),
    Column("AT", lambda row: row["at"], local_time),
    Column("STATUS", lambda row: row["status"], right=True),
    Column("CODE", lambda row: row["code"]),
    Column("LOOKED LIKE", lambda row: row["stranger"], flex=True),
    Column("ASKED", lambda row: row["asked"], flex=True),
)
