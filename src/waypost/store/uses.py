"""When tokens were last used, as far as it is worth a write."""

from __future__ import annotations

from waypost.store.waybills import at_ms


def due_uses(used: dict[int, int], written: dict[int, int], age_ms_min: int) -> dict[int, int]:
    """Token → Unix milliseconds, of those whose written use is so much older. `used` holds request numbers."""
    due = {}
    for token, number in used.items():
        used_at = at_ms(number)
        if token is not None and used_at - written.get(token, 0) >= age_ms_min:
            due[token] = used_at
    return due
