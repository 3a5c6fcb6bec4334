"""/api/settings/provider-keys, and its twin for organisations: own keys for providers. No answer ever holds one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from starlette.responses import Response

from waypost.domain.endpoints import Provider
from waypost.domain.own_keys import ProviderKey
from waypost.domain.problems import Failed, Refusal
from waypost.domain.tables import did_you_mean
from waypost.door.cold import Ask, Handler, json_response
from waypost.door.forms import iso, read_form
from waypost.door.requests import ReadingRoom
from waypost.identity.keyring import read_key, sealed_key
from waypost.identity.vault import Vault
from waypost.store.books import DataError

log = logging.getLogger("waypost.door")
SHOWN_CHARS_MAX: Final = 80
MOVED: Final = "the provider has another address now, or is gone: set it again, or remove it"
NO_STORE: Final = {"cache-control": "no-store"}


class KeyForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be kept."""

    key: str
    label: str | None = None


class Books(Protocol):
    """Runs write commands. Raises Problem."""

    async def run(self, command: str, args: dict[str, Any]) -> Any: ...


class KeyReader(Protocol):
    """Reads keys. Blocking."""

    def provider_keys(self, owner: str | None = None) -> list[ProviderKey]: ...


class ProviderKeyRoutes:
    """Answers for the routes, the caller's own and an organisation's alike. `providers` gives those known now."""

    def __init__(
        self,
        books: Books,
        reader: KeyReader,
        room: ReadingRoom,
        vault: Vault,
        providers: Callable[[], Mapping[str, Provider]],
    ) -> None:
        self._books = books
        self._reader = reader
        self._room = room
        self._vault = vault
        self._providers = providers

    def handlers(self) -> dict[str, Handler]:
        """By route name."""
        return {
            "list_provider_keys": self.list_keys,
            "get_provider_key": self.get_key,
            "put_provider_key": self.put_key,
            "remove_provider_key": self.remove_key,
            "list_organisation_provider_keys": self.list_keys,
            "get_organisation_provider_key": self.get_key,
            "put_organisation_provider_key": self.put_key,
            "remove_organisation_provider_key": self.remove_key,
        }

    async def list_keys(self, ask: Ask) -> Response:
        """The owner's, by provider."""
        return json_response({"object": "list", "data": [self._shown(key) for key in await self._own(ask)]})

    async def get_key(self, ask: Ask) -> Response:
        """What is known of one."""
        slug = ask.hole("provider")
        for key in await self._own(ask):
            if key.provider == slug:
                return json_response(self._shown(key))
        raise Refusal(
            "not_found",
            f"There is no own key for provider {slug[:SHOWN_CHARS_MAX]!r}.",
            why="none was set, or it was removed",
            fix="PUT one here.",
        )

    async def put_key(self, ask: Ask) -> Response:
        """Durable, and used by every process, when it answers."""
        provider = self._provider(ask.hole("provider"))
        form = await read_form(ask.http, KeyForm)
        key, last4 = read_key(form.key)
        label = (form.label or "").strip() or provider.slug
        owner = _owner(ask)
        sealed = self._sealed(owner, provider, key)
        args = {"owner": owner, "provider": provider.slug, "label": label, "base_url": provider.base_url}
        made: ProviderKey = await self._books.run("key.set", {**args, "sealed": sealed, "last4": last4})
        if not self._vault.is_newest(sealed):  # a rotation began meanwhile, and may not have seen this one
            again = self._sealed(owner, provider, key)
            await self._books.run("key.reseal", {"id": made.id, "was": sealed, "sealed": again})
        return json_response(self._shown(made), headers=NO_STORE)

    async def remove_key(self, ask: Ask) -> Response:
        """No process uses it any more when this answers."""
        gone: ProviderKey = await self._books.run(
            "key.remove", {"owner": _owner(ask), "provider": ask.hole("provider")}
        )
        return json_response({"provider": gone.provider, "label": gone.label, "removed": True})

    async def _own(self, ask: Ask) -> list[ProviderKey]:
        owner = _owner(ask)
        return await self._room.read(lambda: self._reader.provider_keys(owner))

    def _sealed(self, owner: str, provider: Provider, key: str) -> bytes:
        try:
            return sealed_key(self._vault, owner, provider, key)
        except DataError as error:
            log.error("a provider key cannot be sealed: %s", error)  # noqa: TRY400 (the sentence says it all)
            raise Failed(
                "internal_error",
                "The key cannot be sealed, so it was not kept.",
                why="the file that provider keys are sealed with cannot be used",
                fix="Tell the operator: the log says what is wrong with it.",
            ) from None

    def _provider(self, slug: str) -> Provider:
        """One that takes a key of its caller's."""
        providers = self._providers()
        provider = providers.get(slug)
        if provider is None or not provider.base_url:
            near = did_you_mean(slug[:SHOWN_CHARS_MAX], providers)
            raise Refusal(
                "not_found",
                f"There is no provider {slug[:SHOWN_CHARS_MAX]!r}{near}.",
                why="this router knows no such provider, or no address of it",
                fix=f"Known: {', '.join(sorted(providers))}.",
            )
        if provider.keyless:
            raise Refusal(
                "invalid_request",
                f"{slug} takes no keys.",
                why="it is called without one, and paid as its price says",
                fix="Call it as it is.",
                param="provider",
            )
        return provider

    def _shown(self, key: ProviderKey) -> dict[str, Any]:
        """A key as the API writes it, without the key."""
        provider = self._providers().get(key.provider)
        usable = provider is not None and provider.base_url == key.base_url
        shown = {
            "provider": key.provider,
            "label": key.label,
            "last4": key.last4,
            "base_url": key.base_url,
            "created_at": iso(key.created_at),
            "usable": usable,
        }
        return (
            shown if usable else {**shown, "why_not": "the provider has another address now, or is gone: set it again"}
        )


def _owner(ask: Ask) -> str:
    """The account whose keys a route is about."""
    return f"user:{ask.user.user.id}" if ask.of is None else f"org:{ask.of.id}"
