"""The credits that come with each month: what the settings say, or an organisation's own amount."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from waypost.domain.payers import Organisation

ORGANISATION: str = "org:"


class Change(Protocol):
    """Something that was made or changed, in its new state."""

    @property
    def value(self) -> object: ...


class Included:
    """Says what an account gets in a month, in nano-USD."""

    def __init__(self, user: int, organisation: int, organisations: Iterable[Organisation]) -> None:
        self._user = user
        self._organisation = organisation
        self._own = {f"{ORGANISATION}{each.id}": each.included for each in organisations}

    def apply(self, changes: Iterable[Change]) -> None:
        """Organisations that changed: what they get from now on; this month's stays as it was given."""
        for change in changes:
            if isinstance(change.value, Organisation):
                self._own[f"{ORGANISATION}{change.value.id}"] = change.value.included

    def __call__(self, account: str, period: int) -> int:
        if not account.startswith(ORGANISATION):
            return self._user
        own = self._own.get(account)
        return self._organisation if own is None else own
