"""Numbers a schema allows: limits, exclusive limits and steps, exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple


class Limits(NamedTuple):
    """What a number must satisfy. `step` is None where any fraction will do."""

    low: Fraction | None
    high: Fraction | None
    above: Fraction | None
    below: Fraction | None
    step: Fraction | None
    whole: bool

    @classmethod
    def of(cls, schema: dict[str, Any], *, whole: bool) -> Limits:
        words = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
        low, high, above, below, step = (_fraction(schema.get(word)) for word in words)
        return cls(low, high, above, below, step if step and step > 0 else None, whole)

    def allow(self, number: Fraction) -> bool:
        return (
            (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
            and (self.step is None or number % self.step == 0)
            and (not self.whole or number.denominator == 1)
        )

    def tries(self, index: int) -> Iterator[Fraction]:
        """Numbers worth trying, plainest first; `index` puts a later one first, so that items differ."""
        step = self._stride
        floors = [limit for limit in (self.low, self.above) if limit is not None]
        ceilings = [limit for limit in (self.high, self.below) if limit is not None]
        if not floors and all(limit > 0 for limit in ceilings):
            floors = [Fraction(0)]
        start = math.ceil(max(floors) / step) * step if floors else math.floor(min(ceilings) / step) * step
        along = step if floors else -step
        yield from (start + along * (index + ahead) for ahead in range(3))
        yield from (start + along * ahead for ahead in range(index + 1))
        if floors and ceilings:
            yield (max(floors) + min(ceilings)) / 2
        yield from (*floors, *ceilings)

    @property
    def _stride(self) -> Fraction:
        step = self.step or Fraction(1)
        return Fraction(step.numerator) if self.whole else step


def _fraction(number: Any) -> Fraction | None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        return None
    return Fraction(str(number))
