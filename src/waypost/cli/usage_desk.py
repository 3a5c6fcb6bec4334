"""`waypost usage`: what calls came to, from the data folder, whether a server runs on it or not."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from waypost.cli.amounts import count, exact_usd, past_ms
from waypost.cli.columns import Column, show_list
from waypost.cli.holders import Books, books_at
from waypost.cli.options import Call, usage_error
from waypost.cli.screen import Screen
from waypost.domain.ledger import period_of, period_range
from waypost.domain.requests import request_id
from waypost.store.usage import CALL_COLUMNS, Sums, Wanted, check_groups
from waypost.wire.csv_text import csv_lines

REQUEST: Final = "request"
NAMED: Final = ("token", "member")
"""Groups that have a name beside their id."""
Row = dict[str, Any]


def show_usage(  # noqa: PLR0913 (one for each option)
    call: Call,
    by: Sequence[str],
    org: str | None,
    user: str | None,
    since: str | None,
    until: str | None,
    *,
    as_csv: bool,
) -> None:
    """Sums by group, or every call."""
    groups = tuple(dict.fromkeys(by)) or ("day",)
    try:
        check_groups(() if groups == (REQUEST,) else groups)
    except ValueError as error:
        raise usage_error(f"--by: {error}.", "Ask for one at a time.") from None
    with books_at(call.where) as books:
        wanted = _wanted(books, org, user, since, until)
        if groups == (REQUEST,):
            _show_calls(call.screen, books, wanted, as_csv=as_csv)
            return
        found = books.reader.usage(wanted._replace(by=groups))
    rows = [{**group.key, **sums_json(group.sums)} for group in found.groups]
    if as_csv:
        _print_csv(call.screen, _csv_columns(groups), [rows])
        return
    show_list(call.screen, rows, columns_of(groups), "Nothing was used in that time.")
    if rows and call.screen.human:
        total = found.total
        call.screen.note(call.screen.faint(f"requests: {count(total.requests)} · cost: {exact_usd(total.charge)}"))


def _wanted(books: Books, org: str | None, user: str | None, since: str | None, until: str | None) -> Wanted:
    if org is not None and user is not None:
        raise usage_error("--org and --user name two accounts.", "Leave one of them out.")
    account = None
    if org is not None:
        account = f"org:{books.organisation(org).id}"
    elif user is not None:
        account = f"user:{books.user(user).id}"
    now = int(datetime.now(UTC).timestamp() * 1000)
    begins = period_range(period_of(now))[0] if since is None else past_ms(since, "--since")
    ends = None if until is None else past_ms(until, "--until")
    if ends is not None and ends <= begins:
        raise usage_error("--until is not after --since.", "Name a later time.")
    return Wanted(account, since_ms=begins, until_ms=ends)


def _show_calls(screen: Screen, books: Books, wanted: Wanted, *, as_csv: bool) -> None:
    """Page after page: there may be millions of them."""
    columns = tuple(name for name in CALL_COLUMNS if name != "state")
    pages = ([{**row, "id": request_id(row["id"])} for row in page] for page in books.reader.usage_calls(wanted))
    if as_csv:
        _print_csv(screen, columns, pages)
        return
    rows = [row for page in pages for row in page]
    show_list(screen, rows, CALLS, "Nothing was called in that time.")


def _print_csv(screen: Screen, columns: Sequence[str], pages: Iterable[Sequence[Row]]) -> None:
    sys.stdout.write(csv_lines(columns, ()))
    for page in pages:
        sys.stdout.write(csv_lines(columns, page, heading=False))
    screen.flush()


def sums_json(sums: Sums) -> Row:
    """Sums by the names of the waybill."""
    shown: Row = sums._asdict()
    charge, overrun = shown.pop("charge"), shown.pop("overrun")
    return {**shown, "charge_nano_usd": charge, "overrun_nano_usd": overrun}


def _csv_columns(groups: Sequence[str]) -> list[str]:
    keys = [column for name in groups for column in ((name, f"{name}_name") if name in NAMED else (name,))]
    return [*keys, *sums_json(Sums())]


def columns_of(groups: Sequence[str]) -> tuple[Column, ...]:
    """A column for each group, by its name where it has one, and the sums."""
    return (*map(_key_column, groups), *SUMS)


def _key_column(group: str) -> Column:
    key = f"{group}_name" if group in NAMED else group
    return Column(group.upper(), lambda row: row[key], flex=True, key=group)


SUMS: Final = (
    Column("REQUESTS", lambda row: row["requests"], count, right=True),
    Column("FAILED", lambda row: row["failed"], count, right=True, spare=6),
    Column("IN", lambda row: row["input"], count, right=True, key="input", spare=2),
    Column("CACHED", lambda row: row["cached_input"], count, right=True, key="cached_input", spare=8),
    Column("OUT", lambda row: row["output"], count, right=True, key="output", spare=2),
    Column("REASONING", lambda row: row["reasoning"], count, right=True, spare=9),
    Column("UNPRICED", lambda row: row["unpriced"], count, right=True, spare=7),
    Column("OWN KEY", lambda row: row["own_key"], count, right=True, key="own_key", spare=7),
    Column("COST", lambda row: row["charge_nano_usd"], exact_usd, right=True, key="charge_nano_usd"),
    Column("OVERRUN", lambda row: row["overrun_nano_usd"], exact_usd, right=True, key="overrun_nano_usd", spare=10),
)
CALLS: Final = (
    Column("ID", lambda row: row["id"]),
    Column("USER", lambda row: row["user"], flex=True, spare=4),
    Column("PAYER", lambda row: row["payer"], flex=True, spare=3),
    Column("MODEL", lambda row: row["model"], flex=True),
    Column("PROVIDER", lambda row: row["provider"], flex=True, spare=2),
    Column("SESSION", lambda row: row["session"], flex=True, spare=6),
    Column("IN", lambda row: row["input"], count, right=True, key="input", spare=5),
    Column("OUT", lambda row: row["output"], count, right=True, key="output", spare=5),
    Column("COST", lambda row: row["charge_nano_usd"], exact_usd, right=True, key="charge_nano_usd"),
)
