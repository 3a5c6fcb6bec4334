"""How endpoints are doing: what one attempt tells the pulse."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class CallResult(msgspec.Struct, frozen=True, gc=False):
    """How one attempt at an endpoint ended, as far as the pulse cares.

    `blame` is one of `none` (the caller's mistake, or the caller left), `served`, `failure` (counts towards the
    breaker), `rest` (it asked to be left alone) and `key` (it refuses our key).
    """

    blame: str
    why: str = ""
    retry_after_seconds: int | None = None
    first_word_ms: float | None = None
    """None where nothing can be learnt about it (not streamed, or no word came)."""
    output_tokens: int = 0
    output_ms: float = 0.0
    """Time in which those tokens came."""


class PulseDelta(NamedTuple):
    """What one process has learnt about one endpoint since it last told.

    Whoever carries or keeps it reads nothing but `key`: the newest delta of a key replaces the one kept before, because
    it also holds the sender's whole view. Only routing understands `values`; all of it is plain MessagePack.
    """

    key: tuple[str, ...]
    """Model, provider and, for somebody's own key, whose key it is."""
    at_ms: int
    values: tuple[float, ...]
