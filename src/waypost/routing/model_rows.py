"""`[models."publisher/name"]`: what the settings say about models and who runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from waypost.domain.endpoints import ABILITIES, Deadlines
from waypost.domain.kinds import (
    FLAG,
    ISO_DATE,
    LINE,
    MODEL,
    MODEL_ID,
    USD_PER_MILLION,
    USD_PER_REQUEST,
    list_of,
    number,
    one_of,
    whole,
)
from waypost.domain.tables import Place, did_you_mean, read_given, setting, settings_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

TOKENS_MAX: Final = 1_000_000_000
DEADLINES_KEY: Final = "deadlines"
PRACTICE_PREFIX: Final = "practice-"
PAID_CLASSES: Final = ("input", "output", "cached_input", "reasoning")


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """How long a call may take at each point; `[models."id".deadlines]` sets them for one model."""

    connect_seconds_max: float = setting(number(0.1, 300), 5.0, "Connecting to a provider.")
    first_word_seconds_max: float = setting(
        number(0.1, 86_400), 120.0, "From the call to a stream's first word; a whole answer has the whole call."
    )
    silence_seconds_max: float = setting(number(0.1, 86_400), 60.0, "Silence in a stream that has begun.")
    call_seconds_max: float = setting(number(0.1, 86_400), 600.0, "The whole call.")

    @property
    def deadlines(self) -> Deadlines:
        """The same, as the planner hands it on."""
        return Deadlines(
            self.connect_seconds_max, self.first_word_seconds_max, self.silence_seconds_max, self.call_seconds_max
        )


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A model: another name for one, or one that nobody runs any more."""

    alias_of: str | None = setting(MODEL, None, "The model that is meant by this name.")
    retired: str | None = setting(ISO_DATE, None, "Day since when nobody runs it; callers are told so.")


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """A model at a provider. What is left out comes from the synced catalogue, where it speaks of this endpoint."""

    id: str | None = setting(LINE, None, "The model's name there; unset: the model id.")
    input_usd_per_million: int | None = setting(USD_PER_MILLION, None, "Price of 1,000,000 input tokens.")
    output_usd_per_million: int | None = setting(USD_PER_MILLION, None, "Price of 1,000,000 output tokens.")
    cached_input_usd_per_million: int | None = setting(
        USD_PER_MILLION, None, "Price of 1,000,000 input tokens read from a cache; unset: that of input."
    )
    reasoning_usd_per_million: int | None = setting(
        USD_PER_MILLION, None, "Price of 1,000,000 reasoning tokens; unset: that of output."
    )
    usd_per_request: int | None = setting(USD_PER_REQUEST, None, "Price of each call, on top of its tokens.")
    is_free: bool | None = setting(FLAG, None, "It costs nothing.")
    context_length: int | None = setting(whole(1, TOKENS_MAX), None, "Tokens that input and output may have together.")
    output_tokens_max: int | None = setting(whole(1, TOKENS_MAX), None, "Most tokens of one answer.")
    image_tokens_max: int | None = setting(whole(1, TOKENS_MAX), None, "Bound for one image; unset: 2048.")
    abilities: tuple[str, ...] | None = setting(
        list_of(one_of(*ABILITIES)),
        None,
        "What it can do beyond plain text; unset and unknown: nothing is held against it.",
    )
    first_token_ms: float | None = setting(number(0, 3_600_000), None, "Time to the first token, until measured.")
    output_tokens_per_s: float | None = setting(number(0, 1_000_000), None, "Speed, until measured.")


class ModelRow(NamedTuple):
    """One model of the settings."""

    id: str
    alias_of: str | None
    retired: str | None
    deadlines: Deadlines | None
    endpoints: dict[str, dict[str, Any]]
    """Provider's slug → the keys of `EndpointSettings` that were given, prices in nano-USD per million."""


def read_models(
    tables: object, slugs: Collection[str], deadlines: DeadlineSettings, place: Place
) -> dict[str, ModelRow]:
    """Read `[models]`; `slugs` are the providers there are, `deadlines` those that hold where a model says nothing."""
    if not isinstance(tables, dict):
        place.fault("must hold a table for each model")
        return {}
    rows: dict[str, ModelRow] = {}
    for model, table in tables.items():
        here = place.at(model)
        if not MODEL_ID.match(model):
            here.fault('is no model id: it must be "publisher/name" without a tag')
        if isinstance(table, dict):
            rows[model] = _read_model(model, table, slugs, deadlines, here)
        else:
            here.fault("must be a table")
    for row in rows.values():
        _check_alias(row, rows, place.at(row.id))
    return rows


def _read_model(
    model: str, table: dict[str, Any], slugs: Collection[str], deadlines: DeadlineSettings, place: Place
) -> ModelRow:
    known = settings_of(ModelSettings)
    own = {name: value for name, value in table.items() if name in known}
    given = read_given(ModelSettings, own, place)
    endpoints = {
        name: _read_endpoint(value, slugs, place.at(name), name)
        for name, value in table.items()
        if name not in known and name != DEADLINES_KEY
    }
    own_deadlines = None
    if DEADLINES_KEY in table:
        own_deadlines = _read_deadlines(table[DEADLINES_KEY], deadlines, place.at(DEADLINES_KEY))
    return ModelRow(model, given.get("alias_of"), given.get("retired"), own_deadlines, endpoints)


def _read_deadlines(table: object, general: DeadlineSettings, place: Place) -> Deadlines:
    return general.deadlines._replace(**read_given(DeadlineSettings, table, place))


def _read_endpoint(table: object, slugs: Collection[str], place: Place, slug: str) -> dict[str, Any]:
    words = [*settings_of(ModelSettings), DEADLINES_KEY, *slugs]
    if not isinstance(table, dict):
        place.fault(f"is no setting of a model{did_you_mean(slug, words)}")
        return {}
    if slug not in slugs and not slug.startswith(PRACTICE_PREFIX):
        place.fault(f"names no provider there is{did_you_mean(slug, words)}")
    given = read_given(EndpointSettings, table, place)
    _check_price(table, given, place)
    return given


def _check_price(table: Mapping[str, Any], given: Mapping[str, Any], place: Place) -> None:
    prices = [given.get(f"{name}_usd_per_million") for name in PAID_CLASSES] + [given.get("usd_per_request")]
    if given.get("is_free") and any(prices):
        place.fault("is free and has a price: one of them must go")
    missing = [name for name in ("input_usd_per_million", "output_usd_per_million") if name not in table]
    if len(missing) == 1:
        place.fault(f'needs {missing[0]} too: half a price is none (write "0" where it costs nothing)')


def _check_alias(row: ModelRow, rows: Mapping[str, ModelRow], place: Place) -> None:
    if row.alias_of is None:
        return
    if row.endpoints or row.retired or row.deadlines:
        place.fault("is an alias, so nothing else can be said about it here")
    target = rows.get(row.alias_of)
    if row.alias_of == row.id or (target is not None and target.alias_of is not None):
        place.fault(f'is an alias of "{row.alias_of}", which is an alias itself; name the model that is meant')
