"""The newest calls that fit some filters: Postgres' own indexes find them."""

from __future__ import annotations

from typing import Any, Final

from waypost.domain.requests import first_number_at, request_number
from waypost.store.books import Filters
from waypost.store.rows import NAMED, OUTCOMES
from waypost.store.sql import Sql

ID_MAX: Final = (1 << 63) - 1
NAME_IDS: Final = "SELECT id FROM names WHERE kind = :kind AND text = :text"
USER_IDS: Final = "SELECT id FROM users WHERE name = :name"
IDS_OF_TOKEN: Final = "SELECT id FROM tokens WHERE name = :name ORDER BY id"  # noqa: S105 (SQL, no password)
NAMED_FILTERS: Final = ("model", "policy", "provider", "code", "session")


def newest(sql: Sql, filters: Filters, limit: int) -> list[int]:
    """The ids of the newest calls that fit, newest first. Inside one read transaction."""
    wanted = _wanted(sql, filters)
    if not all(wanted.values()):
        return []  # a word nobody used fits nothing
    high = ID_MAX if filters.until_ms is None else first_number_at(filters.until_ms)
    if filters.before is not None:
        high = min(high, request_number(filters.before) or 0)
    low = 0 if filters.since_ms is None else first_number_at(filters.since_ms)
    values: dict[str, Any] = {"low": low, "high": high, "limit": limit}
    tests = ["id >= :low", "id < :high", "state IS DISTINCT FROM 0"]  # a call that runs is not listed yet
    for column, numbers in wanted.items():
        names = [f"{column}{place}" for place in range(len(numbers))]
        values |= dict(zip(names, numbers, strict=True))
        # One value is written as one: then its index gives the order too.
        tests.append(f"{column} = :{names[0]}" if len(names) == 1 else f"{column} IN (:{', :'.join(names)})")
    statement = f"SELECT id FROM calls WHERE {' AND '.join(tests)} ORDER BY id DESC LIMIT :limit"  # noqa: S608 (constants)
    return [number for (number,) in sql.rows(statement, values)]


def _wanted(sql: Sql, filters: Filters) -> dict[str, list[int]]:
    """Column → the values that fit."""
    found: dict[str, list[int]] = {}
    if filters.user:
        found["user_id"] = _numbers(sql, USER_IDS, name=filters.user)
    if filters.token:
        found["token_id"] = _numbers(sql, IDS_OF_TOKEN, name=filters.token)
    if filters.outcome:
        found["outcome"] = [OUTCOMES[filters.outcome]]
    if filters.status:
        found["status"] = [filters.status]
    for name in NAMED_FILTERS:
        text = getattr(filters, name)
        if text:
            found[name] = _numbers(sql, NAME_IDS, kind=NAMED.index(name), text=text.replace("\0", "\ufffd"))
    return found


def _numbers(sql: Sql, statement: str, **values: Any) -> list[int]:
    return [number for (number,) in sql.rows(statement, values)]
