"""`waypost ledger`: the books proven, rebuilt and compared, whether a server runs on them or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from waypost.cli.amounts import count, exact_usd, past_ms
from waypost.cli.columns import Column, show_list
from waypost.cli.exits import Exit
from waypost.cli.holders import books_at
from waypost.cli.options import Call
from waypost.domain.ledger import period_of, period_range
from waypost.store.reconcile import Reconciled
from waypost.store.replay import Difference
from waypost.store.verify import ALWAYS
from waypost.store.visitor import visit

Row = dict[str, Any]


def prove(call: Call) -> int:
    """Everything that is always true of the books; what is not, with the first row that breaks it."""
    with books_at(call.where) as books:
        found = books.reader.verify()
    rows = [one._asdict() for one in found]
    if rows or not call.screen.human:
        show_list(call.screen, rows, FINDINGS)
    else:
        call.screen.out(f"The books are whole: {len(ALWAYS)} things that are always true, proven of every row.")
    return Exit.NOT_WELL if rows else Exit.FINE


def rebuild(call: Call, *, mend: bool) -> int:
    """What is kept against what the entries come to; written where that is asked for."""
    with books_at(call.where) as books:
        found = [one for one in books.reader.replay() if one.certain]
        if found and mend:
            with visit(*books.place) as run:
                run("ledger.mend", {})
    rows = [difference_json(one) | {"mended": mend} for one in found]
    if rows or not call.screen.human:
        show_list(call.screen, rows, DIFFERENCES)
    else:
        call.screen.out("Everything kept is what the entries come to.")
    if rows and mend and call.screen.human:
        call.screen.note("What was rebuilt is written.")
    return Exit.NOT_WELL if rows and not mend else Exit.FINE


def compare(call: Call, since: str | None) -> None:
    """What providers say that calls cost, against ours."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    begins = period_range(period_of(now))[0] if since is None else past_ms(since, "--since")
    with books_at(call.where) as books:
        found = books.reader.reconcile(begins)
    rows = [reconciled_json(one) for one in found]
    show_list(call.screen, rows, RECONCILED, "No provider said what a call cost in that time.")


def difference_json(one: Difference) -> Row:
    """A difference as programs read it."""
    return {"what": one.what, "of": one.of, "number": one.number, "kept": one.kept, "rebuilt": one.rebuilt}


def reconciled_json(one: Reconciled) -> Row:
    """A provider's and model's costs as programs read them."""
    return {
        "provider": one.provider,
        "model": one.model,
        "calls": one.calls,
        "different": one.different,
        "reported_nano_usd": one.reported_nano_usd,
        "ours_nano_usd": one.ours_nano_usd,
        "difference_nano_usd": one.difference_nano_usd,
        "examples": [example._asdict() for example in one.examples],
    }


FINDINGS: Final = (
    Column("INVARIANT", lambda row: row["invariant"]),
    Column("ROWS", lambda row: row["rows"], count, right=True),
    Column("FIRST", lambda row: row["explained"], wrap=True, key="explained"),
    Column("ALWAYS", lambda row: row["always"], wrap=True, spare=1),
)
DIFFERENCES: Final = (
    Column("WHAT", lambda row: row["what"]),
    Column("OF", lambda row: row["of"], flex=True),
    Column("NUMBER", lambda row: row["number"], right=True, spare=1),
    Column("KEPT", lambda row: row["kept"], right=True),
    Column("REBUILT", lambda row: row["rebuilt"], right=True),
    Column("MENDED", lambda row: row["mended"], spare=2),
)
RECONCILED: Final = (
    Column("PROVIDER", lambda row: row["provider"], flex=True),
    Column("MODEL", lambda row: row["model"], flex=True),
    Column("CALLS", lambda row: row["calls"], count, right=True, spare=2),
    Column("DIFFERENT", lambda row: row["different"], count, right=True, spare=1),
    Column("REPORTED", lambda row: row["reported_nano_usd"], exact_usd, right=True, key="reported_nano_usd"),
    Column("OURS", lambda row: row["ours_nano_usd"], exact_usd, right=True, key="ours_nano_usd"),
    Column("DIFFERENCE", lambda row: row["difference_nano_usd"], exact_usd, right=True, key="difference_nano_usd"),
)
