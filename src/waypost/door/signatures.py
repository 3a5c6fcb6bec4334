"""Bodies signed with a secret that both sides know, as Stripe signs them: `t=1790000000,v1=<hex>`.

What is signed is the time, a full stop and the body's own bytes (HMAC-SHA-256). A signature older than five minutes is
refused, so that one that was overheard is of little use; several `v1` may stand there while a secret is changed.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from waypost.domain.problems import Refusal

HEADER: Final = "waypost-signature"
TOLERANCE_SECONDS: Final = 300
SIGNATURES_MAX: Final = 8
TIME: Final = re.compile(r"[0-9]{1,12}")
HEX: Final = re.compile(r"[0-9a-f]{64}")


def signature(secret: bytes, at_seconds: int, body: bytes) -> str:
    """The header's value for a body."""
    return f"t={at_seconds},v1={_digest(secret, str(at_seconds), body)}"


def check_signature(secret: bytes, header: str | None, body: bytes, now_seconds: float) -> None:
    """Raises Refusal `signature_invalid` where the body was not signed, not now, or not with this secret."""
    if header is None:
        raise _invalid("no Waypost-Signature came")
    pairs = [pair.strip().partition("=") for pair in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    digests = [value for name, _, value in pairs if name == "v1" and HEX.fullmatch(value)][:SIGNATURES_MAX]
    if len(times) != 1 or TIME.fullmatch(times[0]) is None or not digests:
        raise _invalid("Waypost-Signature is not of the form t=<Unix seconds>,v1=<64 hexadecimal digits>")
    right = _digest(secret, times[0], body)
    if not any([hmac.compare_digest(right, digest) for digest in digests]):  # noqa: C419 (all are compared, always)
        raise _invalid("it was made with another secret, or for another body")
    if abs(now_seconds - int(times[0])) > TOLERANCE_SECONDS:
        raise _invalid(f"it is more than {TOLERANCE_SECONDS} seconds away from this machine's clock")


def _digest(secret: bytes, at_seconds: str, body: bytes) -> str:
    return hmac.digest(secret, at_seconds.encode() + b"." + body, "sha256").hex()


def _invalid(why: str) -> Refusal:
    return Refusal(
        "signature_invalid",
        "The signature of this message does not hold.",
        why=why,
        fix="Sign `<t>.<body>` with HMAC-SHA-256 and the secret that this server was given, and send it at once.",
    )
