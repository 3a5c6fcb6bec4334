"""The keyring: every own key of users and organisations, opened, in memory."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from waypost.domain.endpoints import SECRET_CHARS_MIN, Provider
from waypost.domain.own_keys import OwnKey, OwnKeys, ProviderKey
from waypost.domain.problems import Refusal
from waypost.identity.vault import PROVIDER_KEYS, Unopened, Vault
from waypost.store.books import DataError

KEY_CHARS_MAX: Final = 4_096
KEY: Final = re.compile(rf"[\x21-\x7e]{{{SECRET_CHARS_MIN},{KEY_CHARS_MAX}}}")
SHOWN_CHARS: Final = 4
SHOWN_FROM_CHARS: Final = 16
"""Of a shorter key its last four characters would say too much."""
log = logging.getLogger("waypost.identity")


class Change(Protocol):
    """Something that was made or changed, in its new state."""

    @property
    def value(self) -> Any: ...


class Keyring:
    """Opened keys by the owner's account. `on_changed` hears owner and provider of each that is set or removed."""

    def __init__(self, vault: Vault, on_changed: Callable[[str, str], None] | None = None) -> None:
        self.vault = vault
        self._on_changed = on_changed
        self._by_owner: dict[str, OwnKeys] = {}

    @property
    def by_owner(self) -> Mapping[str, OwnKeys]:
        """The live mapping, as it is at any time."""
        return self._by_owner

    def load(self, keys: Iterable[ProviderKey]) -> None:
        """Begin with every key that the store has. Raises DataError where the vault's file is not for us alone."""
        self.vault.check()
        for key in keys:
            self._put(key)

    def apply(self, changes: Iterable[Change]) -> None:
        """Take in what was changed since, in its order; only keys are looked at."""
        for change in changes:
            if isinstance(change.value, ProviderKey) and self._put(change.value) and self._on_changed is not None:
                self._on_changed(change.value.owner, change.value.provider)

    def _put(self, key: ProviderKey) -> bool:
        """Says whether anything is different now: what was only sealed anew is the same key."""
        before = self._by_owner.get(key.owner)
        keys = {} if before is None else dict(before.by_provider)
        old = keys.pop(key.provider, None)
        new = None if key.sealed is None else OwnKey(key.label, key.base_url, self._opened(key, key.sealed))
        if new == old:
            return False
        if new is not None:
            keys[key.provider] = new
        if keys:
            self._by_owner[key.owner] = OwnKeys(key.owner, keys)
        else:
            del self._by_owner[key.owner]
        return True

    def _opened(self, key: ProviderKey, sealed: bytes) -> str | None:
        try:
            return self.vault.open(PROVIDER_KEYS, sealed, about(key.owner, key.provider, key.base_url)).decode()
        except (Unopened, DataError) as error:
            why = str(error) or "it was sealed with a key that is gone, or is damaged"
            log.warning("the key %r of %s for %s cannot be opened: %s", key.label, key.owner, key.provider, why)
            return None


def read_key(text: str) -> tuple[str, str]:
    """A key as people send it, and what of it may be shown. Raises Refusal, which never repeats it."""
    key = text.strip()
    if key.lower().startswith("bearer "):
        raise _no_key("it begins with the word Bearer", "Send what follows Bearer.")
    if not KEY.fullmatch(key):
        raise _no_key(
            f"a key has {SECRET_CHARS_MIN} to {KEY_CHARS_MAX:,} visible ASCII characters and no blanks",
            "Copy it again, from its first letter to its last.",
        )
    return key, key[-SHOWN_CHARS:] if len(key) >= SHOWN_FROM_CHARS else ""


def _no_key(why: str, fix: str) -> Refusal:
    return Refusal("invalid_request", "`key` cannot be a provider's key.", why=why, fix=fix, param="key")


def sealed_key(vault: Vault, owner: str, provider: Provider, key: str) -> bytes:
    """A key as it is kept. Raises DataError."""
    return vault.seal(PROVIDER_KEYS, key.encode(), about(owner, provider.slug, provider.base_url))


def about(owner: str, provider: str, base_url: str) -> tuple[str, ...]:
    """What a provider's key is bound to."""
    return (owner, provider, base_url)
