"""Figures as people read them. What is not known is a dash."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from waypost.cli.options import usage_error
from waypost.domain import money
from waypost.domain.money import nano_usd

NANO: Final = 1_000_000_000
UNKNOWN: Final = "-"
COMMAS: Final = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
SPAN: Final = re.compile(r"(\d{1,6})\s*(s|m|h|d|w)\Z")
SPAN_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SECONDS_MAX: Final = 100 * 365 * 86_400


def usd(nano: int | None) -> str:
    """Nano-USD with as many digits as say something: `$0.0000352`, `$12.40`."""
    if nano is None:
        return UNKNOWN
    return f"${decimals(nano / NANO)}"


def exact_usd(nano: int | None) -> str:
    """Nano-USD to the last digit, and at least two: `$12.50`, `-$0.000000001`."""
    return UNKNOWN if nano is None else money.exact_usd(nano)


def nano_usd_of(text: str, what: str) -> int:
    """An amount as people type it, `12.50` or `$1,250.00`, to the last digit. Raises Stop.

    A comma stands between thousands and nowhere else: whoever means 5.50 by `5,50` must not give 550.
    """
    amount = text.strip().removeprefix("$")
    if COMMAS.fullmatch(amount):
        amount = amount.replace(",", "")
    try:
        return nano_usd(amount.replace("_", "") if amount.isascii() else "")
    except ValueError:
        raise usage_error(
            f"{what} {text!r} is no amount of USD.", "Write it like 12.50, with at most nine decimals."
        ) from None


def limit_of(text: str | None, what: str) -> dict[str, int | None]:
    """A limit as an option says it: nothing was said, `none` takes it away. Raises Stop."""
    if text is None:
        return {}
    if text.strip().lower() == "none":
        return {"limit": None}
    amount = nano_usd_of(text, what)
    if amount < 0:
        raise usage_error(f"{what} {text!r} is below nothing.", "Write 0 to let nothing be spent, or none.")
    return {"limit": amount}


def decimals(value: float | None) -> str:
    """An amount with at least two decimals, and three figures where it is small."""
    if value is None:
        return UNKNOWN
    if value == 0 or abs(value) >= 1:
        return f"{value:,.2f}"
    text = format(Decimal(f"{value:.3g}"), "f")
    return text if len(text.partition(".")[2]) > 1 else f"{value:.2f}"


def duration(ms: float | None) -> str:
    """Milliseconds as `0.4 ms`, `57 ms`, `1.30 s` or `2 min 5 s`."""
    if ms is None:
        return UNKNOWN
    if ms < 10:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 100_000:
        return f"{ms / 1000:.2f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def rate(per_second: float | None) -> str:
    """A speed with three figures."""
    if per_second is None:
        return UNKNOWN
    return f"{per_second:.1f}" if per_second < 100 else f"{per_second:,.0f}"


def count(number: int | None) -> str:
    """A whole number with its thousands marked."""
    return UNKNOWN if number is None else f"{number:,}"


def local_time(iso: str | None) -> str:
    """A point in time on this machine's clock, down to the second."""
    if not iso:
        return UNKNOWN
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def iso_of(ms: int | None) -> str | None:
    """Unix milliseconds as `2026-11-20T08:15:30Z`."""
    return None if ms is None else datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span_seconds(text: str) -> int | None:
    """Seconds of `90s`, `15m`, `24h`, `90d` or `2w`; None where it is no span of time."""
    match = SPAN.match(text.strip())
    return int(match[1]) * SPAN_SECONDS[match[2]] if match else None


def moment(text: str, now: datetime, direction: int) -> datetime:
    """A point in time: a span from `now` on (direction 1) or back (-1), or a date or time as ISO writes it.

    Raises ValueError.
    """
    seconds = span_seconds(text)
    if seconds is not None:
        if seconds > SECONDS_MAX:
            raise ValueError(text)
        return now + direction * timedelta(seconds=seconds)
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.astimezone()


def later_ms(text: str | None, option: str) -> int | None:
    """A time to come, as an option says it, in Unix milliseconds. Raises Stop."""
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        end = moment(text, now, 1)
    except (ValueError, OverflowError):
        raise usage_error(f"{option} {text!r} is no time.", "Write 24h, 90d, or a date like 2027-01-31.") from None
    if end <= now:
        raise usage_error(f"{option} {text!r} is over already.", "Name a time to come.")
    return int(end.timestamp() * 1000)


def past_ms(text: str, option: str) -> int:
    """A time that was, likewise: `7d` is seven days ago. Raises Stop."""
    try:
        return max(0, int(moment(text, datetime.now(UTC), -1).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise usage_error(f"{option} {text!r} is no time.", "Write 24h, 30d, or a date like 2026-11-01.") from None


def known(value: Any) -> str:
    """Any value as text."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(sorted(map(str, value))) or "none"
    return str(value)
