"""Who is in an organisation, with their names."""

from __future__ import annotations

from typing import Final, NamedTuple

from waypost.store.sql import Sql

MEMBERS: Final = """
  SELECT u.name, m.role, m.spending_limit, m.added_at FROM members m JOIN users u ON u.id = m.user_id
  WHERE m.organisation_id = :id AND m.removed_at IS NULL ORDER BY u.name
"""


class Place(NamedTuple):
    """A user in an organisation."""

    user: str
    role: str
    spending_limit: int | None
    added_at: int


def roster(sql: Sql, organisation_id: int) -> list[Place]:
    """Everybody who is in it, by name."""
    return [Place(*row) for row in sql.rows(MEMBERS, {"id": organisation_id})]
