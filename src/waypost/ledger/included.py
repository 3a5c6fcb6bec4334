"""The credits that come with each month: an account's name to what the settings' rule brings its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from waypost.domain.payers import Organisation

ORGANISATION: str = "org:"


class Change(Protocol):
    """Something that was made or changed, in its new state."""

    @property
    def value(self) -> object: ...


class Included:
    """Says what an account gets in a month, in nano-USD."""

    def __init__(self, brings: Callable[[Organisation | None], int], organisations: Iterable[Organisation]) -> None:
        self._brings = brings
        """The rule: for an organisation, or (None) a user."""
        self._organisations = {f"{ORGANISATION}{each.id}": each for each in organisations}

    def apply(self, changes: Iterable[Change]) -> None:
        """Organisations that changed: what they get from now on; this month's stays as it was given."""
        for change in changes:
            if isinstance(change.value, Organisation):
                self._organisations[f"{ORGANISATION}{change.value.id}"] = change.value

    def __call__(self, account: str, period: int) -> int:
        if not account.startswith(ORGANISATION):
            return self._brings(None)
        organisation = self._organisations.get(account)
        return 0 if organisation is None else self._brings(organisation)
