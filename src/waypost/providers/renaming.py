"""Put the model's name as the caller knows it where the provider wrote its own, and touch nothing else. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class Renaming:
    """Learns from one decoded object how this provider writes its model's name, then replaces those very bytes.

    Inside a JSON string every quote is escaped, so `"model":"x"` with bare quotes can only be a key and its value.
    """

    __slots__ = ("_name", "new", "old")

    def __init__(self, name: str) -> None:
        self._name = name
        self.old = b""
        """Empty while nothing needs to be replaced."""
        self.new = b""

    def learn(self, text: bytes, found: Any) -> None:
        """Take the name that stands in `text`, whose decoded `model` is `found`."""
        if not isinstance(found, str) or found == self._name:
            return
        for colon in (b":", b": "):
            old = b'"model"%b%b' % (colon, _encode(found))
            if old in text:
                self.old = old
                self.new = b'"model"%b%b' % (colon, _encode(self._name))
                return

    def apply(self, text: bytes) -> bytes:
        """The text with our name in it."""
        return text.replace(self.old, self.new) if self.old else text
