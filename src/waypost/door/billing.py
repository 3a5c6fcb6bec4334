"""/api/settings/billing and its twins for organisations: what an account was charged, in Hugging Face's shape and ours.

`usage.inferenceProviders` and `periods` are as Hugging Face has them, for clients that read it there; `total` and
`groups` are ours. Money is nano-USD, times are UTC, and a month is what is meant where no time is given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from starlette.responses import Response

from waypost.domain.ledger import period_of, period_range
from waypost.domain.requests import request_id
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.credit_routes import Holder
from waypost.door.exports import CSV, csv_export, json_export, one_page, wanted_format
from waypost.door.forms import Query, invalid, iso
from waypost.door.requests import ReadingRoom
from waypost.store.sql import Sql
from waypost.store.usage import CALL_COLUMNS, GROUPS, Sums, Usage, Wanted, calls_page, check_groups, usage

PARAMETERS: Final = ("startDate", "endDate", "by", "format")
REQUEST: Final = "request"
"""What usage can be listed by, beside groups: every call."""
SESSION: Final = "session"
MONTHS_MAX: Final = 120
TIME_MS_MAX: Final = 4_102_444_800_000
"""The year 2100: what is later is as empty as what is then."""
EXPORT_PAGE: Final = 1_000
NANO_USD_PER_CENT: Final = 10_000_000
SESSION_COLUMNS: Final = ("period_start", "session", "requests", "charge_nano_usd")
Answer = TypeVar("Answer")


class Reader(Protocol):
    """Reads the data. Blocking."""

    def ask(self, question: Callable[[Sql], Answer]) -> Answer: ...


class Asked(NamedTuple):
    """What a usage route was asked for."""

    holder: Holder
    wanted: Wanted
    format: str
    export: bool
    """Every call by itself."""


class Billing:
    """Answers for the routes. `holder` says whose account a route is about."""

    def __init__(
        self, reader: Reader, room: ReadingRoom, holder: Callable[[Ask], Holder], clock_ms: Callable[[], int]
    ) -> None:
        self._reader = reader
        self._room = room
        self._holder = holder
        self._clock_ms = clock_ms

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {
            "usage": self.usage,
            "organisation_usage": self.usage,
            "usage_by_session": self.usage_by_session,
            "organisation_usage_by_session": self.usage_by_session,
        }

    async def usage(self, ask: Ask) -> Response:
        """Totals, and what `by` names."""
        asked = self._asked(ask)
        if asked.export:
            return self._every_call(asked)
        found = await self._read(lambda sql: usage(sql, asked.wanted))
        rows = [{**group.key, **sums_json(group.sums)} for group in found.groups]
        if asked.format == CSV:
            return csv_export(group_columns(asked.wanted.by), one_page(rows), "usage")
        return json_response(self._usage_json(ask, asked, found, rows))

    async def usage_by_session(self, ask: Ask) -> Response:
        """What calls with a session tag came to, month by month."""
        asked = self._asked(ask, by=(SESSION,))
        periods = _months(asked.wanted)

        def look(sql: Sql) -> list[Usage]:
            return [usage(sql, asked.wanted._replace(since_ms=since, until_ms=until)) for since, until in periods]

        months = await self._read(look)
        if asked.format == CSV:
            rows = [row for one in months for row in _session_rows(one)]
            return csv_export(SESSION_COLUMNS, one_page(rows), "sessions")
        return json_response({"currency": "USD", "periods": [_period_json(one) for one in months]})

    def _asked(self, ask: Ask, by: tuple[str, ...] | None = None) -> Asked:
        query = Query(ask.http, PARAMETERS if by is None else tuple(name for name in PARAMETERS if name != "by"))
        style = wanted_format(ask.http, query)
        groups = tuple(query.all("by")) if by is None else by
        export = groups == (REQUEST,)
        if not groups and style == CSV:
            groups = ("day",)
        try:
            check_groups(() if export else groups)
        except ValueError as error:
            raise invalid("by", f'"{REQUEST}", or some of {", ".join(GROUPS)}', str(error)) from None
        month_begins, month_ends = period_range(period_of(self._clock_ms()))
        since, until = (_time(query, name) for name in ("startDate", "endDate"))
        holder = self._holder(ask)
        wanted = Wanted(
            holder.account,
            since_ms=month_begins if since is None else since,
            until_ms=until if until is not None else max(month_ends, since or 0),
            by=() if export else groups,
        )
        if (wanted.until_ms or 0) <= (wanted.since_ms or 0):
            raise invalid("endDate", "after startDate")
        return Asked(holder, wanted, style, export)

    async def _read(self, look: Callable[[Sql], Answer]) -> Answer:
        return await self._room.read(lambda: self._reader.ask(look))

    def _every_call(self, asked: Asked) -> Response:
        columns = ("id", *(name for name in CALL_COLUMNS if name not in {"id", "state"}))
        if asked.format == CSV:
            return csv_export(columns, self._call_pages(asked.wanted), "requests")
        return json_export(self._call_pages(asked.wanted))

    async def _call_pages(self, wanted: Wanted) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Each page is a snapshot of its own: nobody's write waits for an export."""
        after = 0
        while page := await self._read(lambda sql, after=after: calls_page(sql, wanted, after, EXPORT_PAGE)):  # type: ignore[misc]
            after = page[-1]["id"]
            yield [{**row, "id": request_id(row["id"])} for row in page]

    def _usage_json(self, ask: Ask, asked: Asked, found: Usage, rows: list[dict[str, Any]]) -> dict[str, Any]:
        limit = ask.of.spending_limit if ask.of is not None else ask.user.user.spending_limit
        theirs = {
            "usedNanoUsd": found.total.charge,
            "includedNanoUsd": asked.holder.included,
            **({} if limit is None else {"limitNanoUsd": limit}),
            "numRequests": found.total.requests,
            "periodStart": iso(found.since_ms),
            "periodEnd": iso(found.until_ms or 0),
        }
        shown: dict[str, Any] = {
            "payer": {"type": asked.holder.type, "name": asked.holder.name},
            "usage": {"inferenceProviders": theirs},
            "total": sums_json(found.total),
        }
        return shown | ({"by": list(asked.wanted.by), "groups": rows} if asked.wanted.by else {})


def _time(query: Query, name: str) -> int | None:
    found = query.time_ms(name)
    return None if found is None else min(found, TIME_MS_MAX)


def sums_json(sums: Sums) -> dict[str, int]:
    """Sums by the names of the waybill."""
    shown = sums._asdict()
    charge, overrun = shown.pop("charge"), shown.pop("overrun")
    return {**shown, "charge_nano_usd": charge, "overrun_nano_usd": overrun}


def group_columns(by: Sequence[str]) -> list[str]:
    """Columns of a list of groups."""
    keys = [column for name in by for column in ((name, f"{name}_name") if name in {"token", "member"} else (name,))]
    return [*keys, *sums_json(Sums())]


def _months(wanted: Wanted) -> list[tuple[int, int]]:
    """The months of a time, cut off at its ends."""
    since, until = wanted.since_ms or 0, wanted.until_ms or 0
    months: list[tuple[int, int]] = []
    while since < until:
        if len(months) == MONTHS_MAX:
            raise invalid("startDate", f"at most {MONTHS_MAX} months before endDate")
        ends = min(until, period_range(period_of(since))[1])
        months.append((since, ends))
        since = ends
    return months


def _period_json(month: Usage) -> dict[str, Any]:
    return {
        "periodStart": iso(month.since_ms),
        "periodEnd": iso(month.until_ms or month.since_ms),
        "sessions": [
            {
                "id": group.key[SESSION],
                "costCents": group.sums.charge / NANO_USD_PER_CENT,
                "costNanoUsd": group.sums.charge,
                "requestCount": group.sums.requests,
            }
            for group in month.groups
        ],
    }


def _session_rows(month: Usage) -> list[dict[str, Any]]:
    return [
        {
            "period_start": iso(month.since_ms),
            "session": group.key[SESSION],
            "requests": group.sums.requests,
            "charge_nano_usd": group.sums.charge,
        }
        for group in month.groups
    ]
