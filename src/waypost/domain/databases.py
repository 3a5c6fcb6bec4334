"""Addresses of databases, and what of them may be shown."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

ADDRESS: Final = re.compile(
    r"postgres(?:ql)?://(?:[^\s:@/?#]+(?::[^\s:@/?#]*)?@)?[^\s@/?#]*(?:/[^\s/?#]*)?(?:\?[^\s#@]*)?\Z"
)
"""What must be escaped is escaped: else a part of a password would count as a host, and be shown as one."""
SECRET_PARAMETERS: Final = ("password", "sslpassword")


def shown(address: str) -> str:
    """The address without its password."""
    parts = urlsplit(address)
    userinfo, at, host = parts.netloc.rpartition("@")
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in SECRET_PARAMETERS], safe="/")
    return f"{parts.scheme}://{userinfo.partition(':')[0]}{at}{host}{parts.path}{'?' if query else ''}{query}"


def passwords(address: str) -> list[str]:
    """Every password in the address, as it is written and as it is meant; the longest first."""
    parts = urlsplit(address)
    written = parts.netloc.rpartition("@")[0].partition(":")[2]
    found = {written, unquote(written)}
    found |= {value for name, value in parse_qsl(parts.query) if name in SECRET_PARAMETERS}
    return sorted(found - {""}, key=len, reverse=True)


def scrubbed(text: str, address: str) -> str:
    """A text of somebody else's, such as a driver's error, without the address's passwords."""
    for password in passwords(address):
        text = text.replace(password, "…")
    return text
