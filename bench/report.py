"""The figures for people: tables on the screen, and the same tables inside `docs/performance.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.budget import BUDGET, Line, verdict, written
from bench.figures import FLOOR, OURS, Figure, Rows, Spread, column, ratio

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
NOTHING: Final = "–"
BUDGET_HEAD: Final = ("what", "measured", "budget", "aim", "", "of which")
GATEWAY_HEAD: Final = (
    "gateway",
    "CPU µs per call",
    "× nginx",
    "calls/s",
    "100 frames at once",
    "100 paced frames",
    "MB at start",
    "MB with streams",
    "start, s",
)
TEXT_COLUMNS: Final = (0, 5)
"""Columns of the budget table that hold words, so that they begin at the left."""

Table = tuple[Sequence[str], list[tuple[str, ...]]]


class Report(NamedTuple):
    """Everything that is shown."""

    title: str
    """What was measured where and when, a paragraph."""
    figures: list[Figure]
    rows: Rows
    notes: list[str]

    def tables(self) -> list[Table]:
        both = [budget_table(self.figures), gateway_table(self.rows)]
        return [table for table in both if table[1]]


def budget_table(figures: list[Figure]) -> Table:
    """Every line of the budget with its figure and its verdict."""
    by_key = {figure.key: figure for figure in figures}
    return BUDGET_HEAD, [_budget_row(line, by_key[line.key]) for line in BUDGET]


def _budget_row(line: Line, figure: Figure) -> tuple[str, ...]:
    value = figure.value
    bounds = (line.bound(line.budget), line.bound(line.aim))
    judged = verdict(line, value and value.middle)
    return (line.what, _spread(value, line.unit), *bounds, judged, figure.detail)


def gateway_table(rows: Rows) -> Table:
    """Each gateway at the same work."""
    found = [row["gateway"] for row in rows if row["work"] in ("whole", "burst", "paced", "start")]
    names = sorted(dict.fromkeys(found), key=lambda name: (name != FLOOR, name != OURS))
    return GATEWAY_HEAD, [_gateway_row(rows, name) for name in names]


def _gateway_row(rows: Rows, name: str) -> tuple[str, ...]:
    def cell(work: str, column_name: str, unit: float = 1, digits: int = 0) -> str:
        value = column(rows, work, name, column_name)
        return f"{value.middle / unit:,.{digits}f}" if value else NOTHING

    over = ratio(rows, "whole", "cpu_us", name, FLOOR)
    return (
        name,
        _range(column(rows, "whole", name, "cpu_us")),
        f"{over.middle:.1f}" if over else NOTHING,
        cell("whole", "calls_per_second"),
        cell("burst", "cpu_us"),
        cell("paced", "cpu_us"),
        cell("start", "start_bytes", 1e6),
        cell("start", "held_bytes", 1e6),
        cell("start", "start_seconds", 1, 2),
    )


def _spread(value: Spread | None, unit: str) -> str:
    if value is None:
        return NOTHING
    low, high = (written(bound, unit).rpartition(" ")[0] or written(bound, unit) for bound in value[1:])
    return f"{written(value.middle, unit)} ({low}–{high})"


def _range(value: Spread | None) -> str:
    return f"{value.middle:,.0f} ({value.low:,.0f}–{value.high:,.0f})" if value else NOTHING


def as_text(report: Report) -> str:
    """For a terminal."""
    blocks = [report.title, *map(_text_table, report.tables()), "\n".join(f"! {note}" for note in report.notes)]
    return "\n\n".join(block for block in blocks if block)


def _text_table(table: Table) -> str:
    head, rows = table
    widths = [max(len(row[place]) for row in [tuple(head), *rows]) for place in range(len(head))]
    left = TEXT_COLUMNS if head is BUDGET_HEAD else TEXT_COLUMNS[:1]
    lines = [
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [tuple(head), *rows]
    ]
    return "\n".join(lines)


def as_markdown(report: Report) -> str:
    """For the document."""
    notes = "\n".join(f"- {note}" for note in report.notes)
    blocks = [report.title, *map(_markdown_table, report.tables()), notes]
    return "\n\n".join(block for block in blocks if block)


def _markdown_table(table: Table) -> str:
    head, rows = table
    left = TEXT_COLUMNS if head is BUDGET_HEAD else TEXT_COLUMNS[:1]
    rule = tuple("---" if place in left else "--:" for place in range(len(head)))
    ours = [tuple(f"**{cell}**" if row[0] == OURS else cell for cell in row) for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [tuple(head), rule, *ours])


def with_section(document: str, name: str, text: str) -> str:
    """The document with the text between the marks of this name. Raises ValueError where it has none."""
    begin, end = f"<!-- bench {name}: made by ./dev bench --write, do not edit -->", f"<!-- bench {name}: end -->"
    before, found_begin, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"there is no place between '{begin}' and '{end}'")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"
