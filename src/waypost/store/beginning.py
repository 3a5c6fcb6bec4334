"""The beginning of an owner's life, before it writes anything else."""

from __future__ import annotations

from waypost.domain.ledger import period_of
from waypost.store.books import DataError
from waypost.store.engine import Scribe
from waypost.store.keyed_calls import end_claims
from waypost.store.sql import EngineTrouble
from waypost.store.standing import Standing
from waypost.store.sweeping import begin_epoch


def begin(scribe: Scribe, now_ms: int) -> tuple[int, Standing]:
    """Nobody else lives: end what others left open, then begin an epoch. Gives it, and what counters begin from.

    Calls come first, then the keys that calls claimed, which say what became of those.

    Raises DataError where nothing can be written; then the scribe is closed.
    """
    try:
        scribe.sweep(None)
        with scribe.sql.savepoint():
            end_claims(scribe.sql)
        return begin_epoch(scribe.sql, now_ms), Standing(scribe.sql, period_of(now_ms))
    except EngineTrouble as error:
        scribe.close()
        raise DataError(
            f"The data cannot be written: {error}.", "Free some space on its disk, or look at it."
        ) from error
