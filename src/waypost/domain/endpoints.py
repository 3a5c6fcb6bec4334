"""Models, providers and endpoints: what the catalogue holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from waypost.domain.chat import Need
from waypost.domain.money import Price

ABILITIES = {"tools": Need.TOOLS, "structured_output": Need.STRUCTURED_OUTPUT, "images": Need.IMAGES}

SECRET_CHARS_MIN = 8
"""Shorter header values are words that may stand anywhere."""
SCHEMA_SHAPES = {
    "openai": '{"type": "json_schema", "json_schema": {"schema": …}}',
    "flat": '{"type": "json_schema", "schema": …}',
    "object": '{"type": "json_object", "schema": …}',
    "grammar": '{"type": "json_object", "value": …}',
}
"""The shapes of `response_format` that providers want for a JSON schema, by the name of each."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A company or server that runs models, and how to reach it.

    `base_url` ends without a slash and holds everything before `/chat/completions` (`https://api.groq.com/openai/v1`).
    """

    slug: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    """The operator's key. Never logged, never returned."""
    key_env: str | None = None
    """Name of the environment variable that would hold the key."""
    keyless: bool = False
    """Needs no key (local servers, practice providers)."""
    chat_path: str = "/chat/completions"
    """Path after `base_url`; `{id}` in it stands for the model's id there."""
    native_paths: tuple[str, ...] = ()
    """Paths that Hugging Face's clients send after `/{slug}`, such as `/openai/v1/chat/completions`."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    drop_fields: tuple[str, ...] = ()
    """Top-level request fields this provider refuses (Cerebras answers 400 to `store`)."""
    schema_shape: str = "openai"
    """How it wants a JSON schema in `response_format`, one of `SCHEMA_SHAPES`."""
    stops_billing_on_cancel: bool = False
    allow_private: bool = False
    """The operator named this address, so private ranges are meant."""
    practice: bool = False
    disabled: bool = False

    @property
    def usable(self) -> bool:
        """There is a key, or none is needed."""
        return self.keyless or self.key is not None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What we send it and nobody may read again, should it repeat that in an error."""
        values = (self.key or "", *(value for _, value in self.headers))
        return tuple(value for value in values if len(value) >= SECRET_CHARS_MIN)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model at one provider."""

    model: str
    provider: str
    id: str
    """The model's id at the provider."""
    price: Price | None = None
    context_length: int | None = None
    output_tokens_max: int | None = None
    image_tokens_max: int = 2048
    abilities: Need = Need.TOOLS | Need.STRUCTURED_OUTPUT
    abilities_known: bool = False
    """False where no source says what it can do; then nothing is held against it."""
    first_token_ms: float | None = None
    """From the catalogue, until measured."""
    output_tokens_per_s: float | None = None
    """From the catalogue, until measured."""
    status: str = "live"
    is_free: bool = False
    is_model_author: bool = False
    source: str = "settings"
    """Where this row came from: `settings`, `practice`, or the address it was synced from."""
    as_of: str = ""
    """ISO date of that source."""

    @property
    def key(self) -> tuple[str, str]:
        """Model and provider: names this endpoint everywhere."""
        return (self.model, self.provider)


@dataclass(frozen=True, slots=True)
class Model:
    """A model and every endpoint that runs it, in catalogue order."""

    id: str
    endpoints: tuple[Endpoint, ...] = ()
    retired: str | None = None
    """ISO date since when nobody runs it any more."""
    alias_of: str | None = None
    created: int = 0
    """Unix seconds."""
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    deadlines: Deadlines | None = None


class Sheet(NamedTuple):
    """What one source said on one day about models and who runs them."""

    name: str
    """Slug of the provider that was asked; `huggingface` speaks of many."""
    source: str
    """The address that was read."""
    as_of: str
    """ISO date."""
    models: tuple[Model, ...]
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


class Deadlines(NamedTuple):
    """Seconds a call may take at each point (`router.md`)."""

    connect_seconds_max: float = 5.0
    first_word_seconds_max: float = 120.0
    silence_seconds_max: float = 60.0
    call_seconds_max: float = 600.0


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a user, or an organisation, wants to be routed."""

    default_policy: str = "fastest"
    order: tuple[str, ...] = ()
    """Provider slugs, most wanted first."""
    disabled: frozenset[str] = field(default_factory=frozenset)
    preferred_only: bool = False
    payer: str | None = None
    """A user's: the organisation that pays where a call names nobody; None is the user."""
    price_demanded: bool = False
    """A user's: endpoints without a known price may not serve. An organisation has this in its rules."""
    keys_then_credits: bool = False
    """A user's: where a provider fails on the user's own key, another may be tried on credits."""
