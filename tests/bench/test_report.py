from __future__ import annotations

import pytest
from bench.budget import BUDGET
from bench.figures import Figure, Spread
from bench.report import Report, as_markdown, as_text, with_section
from tidiness import ROOT

ROWS = [
    {"work": "whole", "gateway": "nginx", "round": 0, "cpu_us": 25.0, "calls_per_second": 30_000.0},
    {"work": "whole", "gateway": "waypost", "round": 0, "cpu_us": 50.0, "calls_per_second": 15_000.0},
]


def report() -> Report:
    found = {"whole": Spread(2.0, 1.9, 2.2), "rate": Spread(7_000, 6_900, 7_100)}
    figures = [Figure(line.key, found.get(line.key), "of this and that") for line in BUDGET]
    return Report("Here and now.", figures, ROWS, ["the load was busy"])


def test_the_tables_show_the_figure_its_spread_and_how_it_does() -> None:
    text = as_text(report())
    whole, rate = (next(line for line in text.splitlines() if name in line) for name in ("not streamed", "on one core"))
    cells = [cell.strip() for cell in whole.split("  ") if cell.strip()]
    assert cells[1:] == ["2.00 × (1.90–2.20)", "≤ 3.00 ×", "≤ 2.00 ×", "aim met", "of this and that"]
    assert "OVER BUDGET" in rate
    assert "not measured" in text
    assert "! the load was busy" in text


def test_every_gateway_has_its_line_beside_nginx() -> None:
    lines = as_markdown(report()).splitlines()
    ours = next(line for line in lines if line.startswith("| **waypost** |"))
    assert [cell.strip(" *") for cell in ours.split("|")[2:5]] == ["50 (50–50)", "2.0", "15,000"]
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} == {7, 10}


def test_a_section_of_the_document_is_made_anew_and_the_rest_stays() -> None:
    begin, end = "<!-- bench pinned: made by ./dev bench --write, do not edit -->", "<!-- bench pinned: end -->"
    document = f"# Title\n\n{begin}\nold\n{end}\n\nmore\n"
    once = with_section(document, "pinned", "new")
    assert once == f"# Title\n\n{begin}\n\nnew\n\n{end}\n\nmore\n"
    assert with_section(once, "pinned", "new") == once


@pytest.mark.parametrize("document", ["", "<!-- bench pinned: made by ./dev bench --write, do not edit -->"])
def test_a_document_without_a_place_is_left_alone(document) -> None:
    with pytest.raises(ValueError, match="no place"):
        with_section(document, "pinned", "new")


@pytest.mark.parametrize("name", ["pinned", "unpinned", "workers", "peers"])
def test_the_document_has_a_place_for_every_kind_of_run(name) -> None:
    document = (ROOT / "docs" / "performance.md").read_text()
    assert "new figures" in with_section(document, name, "new figures")
