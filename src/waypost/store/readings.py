"""Endpoint readings that pass through the owner: the newest of each key is kept, for those who start later."""

from __future__ import annotations

from typing import Final

from waypost.domain.pulse import PulseDelta

SAVE_SECONDS: Final = 10.0


class Shelf:
    """The newest reading of each key, and which of them are not on the disk yet."""

    def __init__(self, kept: list[PulseDelta]) -> None:
        self._newest = {delta.key: delta for delta in kept}
        self._unsaved: set[tuple[str, ...]] = set()

    def put(self, deltas: list[PulseDelta]) -> None:
        """Keep these."""
        for delta in deltas:
            self._newest[delta.key] = delta
            self._unsaved.add(delta.key)

    def everything(self) -> list[PulseDelta]:
        """For somebody who starts."""
        return list(self._newest.values())

    def take_unsaved(self) -> list[PulseDelta]:
        """What to write now."""
        unsaved, self._unsaved = self._unsaved, set()
        return [self._newest[key] for key in unsaved]
