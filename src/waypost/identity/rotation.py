"""Rotation: everything that the vault sealed is sealed anew under a new key, and the old ones are thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from waypost.domain.own_keys import ProviderKey
from waypost.identity.keyring import about
from waypost.identity.vault import PROVIDER_KEYS, REPLIES, Unopened, Vault
from waypost.store.keyed_calls import KeptReply, reply_about

REPLIES_AT_ONCE: Final = 16
Run = Callable[[str, dict[str, Any]], Any]


class Reader(Protocol):
    """Reads what is sealed."""

    def provider_keys(self) -> list[ProviderKey]: ...
    def kept_replies(self, after: int, limit: int) -> list[KeptReply]: ...


class Rotated(NamedTuple):
    """What was sealed anew, and what could not be opened before: it is as lost as it was."""

    keys: int = 0
    replies: int = 0
    unreadable: int = 0

    def plus(self, other: Rotated) -> Rotated:
        return Rotated(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def rotate(vault: Vault, reader: Reader, run: Run) -> Rotated:
    """Seal everything anew. Raises Problem, DataError and OSError; then the old keys are kept, and it can be repeated.

    Processes that serve go on meanwhile: what they seal once this has begun is sealed with the new key, and what they
    sealed just before is seen by another look.
    """
    done = Rotated()
    with vault.turned():
        while (more := _keys(vault, reader, run).plus(_replies(vault, reader, run))) != Rotated(0, 0, more.unreadable):
            done = done.plus(more._replace(unreadable=0))
        return done._replace(unreadable=more.unreadable)


def _keys(vault: Vault, reader: Reader, run: Run) -> Rotated:
    done = Rotated()
    for key in reader.provider_keys():
        if key.sealed is None or vault.is_newest(key.sealed):
            continue
        again = _again(vault, PROVIDER_KEYS, key.sealed, about(key.owner, key.provider, key.base_url))
        if again is None:
            done = done.plus(Rotated(unreadable=1))
        else:
            run("key.reseal", {"id": key.id, "was": key.sealed, "sealed": again})
            done = done.plus(Rotated(keys=1))
    return done


def _replies(vault: Vault, reader: Reader, run: Run) -> Rotated:
    done, after = Rotated(), 0
    while replies := reader.kept_replies(after, REPLIES_AT_ONCE):
        after = replies[-1].call
        for reply in replies:
            if vault.is_newest(reply.sealed):
                continue
            again = _again(vault, REPLIES, reply.sealed, reply_about(reply.user, reply.key, reply.call))
            if again is None:
                done = done.plus(Rotated(unreadable=1))
            else:
                run("keyed.reseal", {"user": reply.user, "key": reply.key, "was": reply.sealed, "sealed": again})
                done = done.plus(Rotated(replies=1))
    return done


def _again(vault: Vault, label: str, sealed: bytes, bound_to: tuple[str, ...]) -> bytes | None:
    try:
        return vault.seal(label, vault.open(label, sealed, bound_to), bound_to)
    except Unopened:
        return None
