from __future__ import annotations

import pytest
from bench.budget import BUDGET, Line, verdict, written

LESS = Line("memory", "memory at start", "MB", 70, 45)
MORE = Line("rate", "calls/s on one core", "/s", 8_000, 15_000, at_least=True)


@pytest.mark.parametrize(
    ("line", "value", "said"),
    [
        (LESS, 45, "aim met"),
        (LESS, 45.01, "within budget"),
        (LESS, 70, "within budget"),
        (LESS, 70.01, "OVER BUDGET"),
        (MORE, 15_000, "aim met"),
        (MORE, 14_999, "within budget"),
        (MORE, 7_999, "OVER BUDGET"),
        (MORE, None, "not measured"),
    ],
)
def test_a_figure_is_judged_by_aim_and_budget(line, value, said) -> None:
    assert verdict(line, value) == said


@pytest.mark.parametrize("line", BUDGET, ids=lambda line: line.key)
def test_an_aim_is_harder_than_its_budget(line) -> None:
    assert verdict(line, line.aim) == "aim met"
    assert verdict(line, line.budget) == "within budget"
    assert line.bound(line.budget) != line.bound(line.aim)


def test_figures_are_written_with_their_unit() -> None:
    assert [written(1.234, unit) for unit in ("×", "ms", "KiB", "MB")] == ["1.23 ×", "1.23 ms", "1.2 KiB", "1 MB"]
    assert written(15_000.4, "/s") == "15,000/s"
    assert MORE.bound(8_000) == "≥ 8,000/s"
