"""What a check says."""

from __future__ import annotations

from typing import Final, NamedTuple

OK: Final = "ok"
NOTE: Final = "note"
"""Worth a look, and no fault."""
BAD: Final = "not well"
SKIPPED: Final = "skipped"


class Check(NamedTuple):
    """One thing looked at."""

    id: str
    state: str
    evidence: str
    """What was seen."""
    fix: str = ""
    """What to do, where something is to be done."""
