"""Does a value fit a table of `door/schemas.py`?"""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from waypost.door.schemas import SCHEMAS, named


def check_fits(name: str, value: Any) -> None:
    """Raises jsonschema_rs.ValidationError where it does not."""
    jsonschema_rs.Draft202012Validator({"components": {"schemas": SCHEMAS}, **named(name)}).validate(value)
