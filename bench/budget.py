"""What a call may cost: the budget, the aim, and how a figure is judged by them; explained in `docs/performance.md`."""

from __future__ import annotations

from typing import Final, NamedTuple


class Line(NamedTuple):
    """One row of the budget."""

    key: str
    what: str
    unit: str
    budget: float
    aim: float
    at_least: bool = False
    """More is better; else less is."""

    def bound(self, value: float) -> str:
        """`≤ 1.50 ms`."""
        return f"{'≥' if self.at_least else '≤'} {written(value, self.unit)}"


BUDGET: Final = (
    Line("whole", "CPU per call, not streamed", "×", 3.0, 2.0),
    Line("paced", "CPU per 100 paced frames", "×", 1.6, 1.2),
    Line("burst", "CPU per 100 frames sent at once", "×", 2.0, 1.2),
    Line("added_p50", "added latency at 50 calls/s, p50, beyond one fdatasync", "ms", 0.5, 0.25),
    Line("added_p99", "added latency at 50 calls/s, p99, beyond one fdatasync", "ms", 1.5, 0.8),
    Line("first_token_p99", "first token at 50 calls/s, added, p99", "ms", 1.5, 0.8),
    Line("memory", "memory at start", "MB", 70, 45),
    Line("stream", "memory per open idle stream", "KiB", 32, 20),
    Line("start", "start to first answer", "s", 1.0, 0.5),
    Line("rate", "calls/s on one core", "/s", 8_000, 15_000, at_least=True),
    Line("growth", "growth: a call in a large installation, to one in a small one", "×", 1.2, 1.05),
)

DIGITS: Final = {"×": 2, "ms": 2, "s": 2, "MB": 0, "KiB": 1}


def written(value: float, unit: str) -> str:
    """A figure as people read it."""
    if unit == "/s":
        return f"{value:,.0f}/s"
    return f"{value:.{DIGITS[unit]}f} {unit}"


def verdict(line: Line, value: float | None) -> str:
    """How a figure does."""
    if value is None:
        return "not measured"
    if _within(line, value, line.aim):
        return "aim met"
    return "within budget" if _within(line, value, line.budget) else "OVER BUDGET"


def _within(line: Line, value: float, bound: float) -> bool:
    return value >= bound if line.at_least else value <= bound
