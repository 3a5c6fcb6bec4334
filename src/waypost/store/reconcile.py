"""What providers say that calls cost, against what we worked out from their usage and our prices."""

from __future__ import annotations

from typing import Final, NamedTuple

from waypost.domain.requests import first_number_at, request_id
from waypost.store.sql import Sql

EXAMPLES: Final = 5
OURS: Final = "(CASE WHEN c.state = 1 THEN c.charge_nano_usd + c.overrun_nano_usd ELSE 0 END)"
REPORTED: Final = f"""
  SELECT c.id AS id, c.provider AS provider, c.model AS model, c.reported_nano_usd AS reported, {OURS} AS ours,
    c.reported_nano_usd - {OURS} AS difference, coalesce(c.state, -1) AS state
  FROM calls c
  WHERE c.reported_nano_usd IS NOT NULL AND coalesce(c.state, 1) <> 0 AND c.id >= :first AND c.id < :after
"""  # noqa: S608 (constants)
SUMMED: Final = f"""
  SELECT p.text, m.text, r.provider, r.model, count(*), sum(CASE WHEN r.difference <> 0 THEN 1 ELSE 0 END),
    sum(r.reported), sum(r.ours)
  FROM ({REPORTED}) r LEFT JOIN names p ON p.id = r.provider LEFT JOIN names m ON m.id = r.model
  GROUP BY p.text, m.text, r.provider, r.model
"""  # noqa: S608 (constants)
MOST: Final = f"""
  SELECT provider, model, id, reported, ours, state FROM (
    SELECT r.*, row_number() OVER (PARTITION BY r.provider, r.model ORDER BY abs(r.difference) DESC, r.id) AS place
    FROM ({REPORTED}) r WHERE r.difference <> 0
  ) AS most WHERE place <= :examples ORDER BY provider, model, place
"""  # noqa: S608 (constants)
ID_MAX: Final = (1 << 63) - 1


class Example(NamedTuple):
    """One of the calls that differ most."""

    request_id: str
    reported_nano_usd: int
    ours_nano_usd: int
    """Charge and overrun; 0 for a call that was not settled."""
    state: int | None
    """Of its hold: 1 settled, 2 voided, 3 expired; None without one (own key, no price)."""


class Reconciled(NamedTuple):
    """A provider's calls of one model that it reported a cost for."""

    provider: str
    model: str
    calls: int
    different: int
    """How many of them differ."""
    reported_nano_usd: int
    ours_nano_usd: int
    examples: list[Example]

    @property
    def difference_nano_usd(self) -> int:
        """Positive where the provider says more than we do."""
        return self.reported_nano_usd - self.ours_nano_usd


def reconcile(sql: Sql, since_ms: int = 0, until_ms: int | None = None) -> list[Reconciled]:
    """Every provider and model with reported costs, the largest difference first. Reads every call of the time."""
    bounds = {"first": first_number_at(since_ms), "after": ID_MAX if until_ms is None else first_number_at(until_ms)}
    examples: dict[tuple[int | None, int | None], list[Example]] = {}
    for provider, model, number, reported, ours, state in sql.rows(MOST, bounds | {"examples": EXAMPLES}):
        example = Example(request_id(number), reported, ours, None if state < 0 else state)
        examples.setdefault((provider, model), []).append(example)
    found = [
        Reconciled(provider or "", model or "", calls, different, reported, ours, examples.get((by, of), []))
        for provider, model, by, of, calls, different, reported, ours in sql.rows(SUMMED, bounds)
    ]
    return sorted(found, key=lambda one: (-abs(one.difference_nano_usd), one.provider, one.model))
