"""One item of somebody's list of models: how each provider spells price, context and abilities.

Nobody agrees on the words, so they are data: where a figure may stand, and in which unit. What a list does not say
stays unknown; an unknown price is no price, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from waypost.domain.chat import Need
from waypost.domain.money import PRICE_NANO_USD_MAX, UNITS_PER_PRICE, Price, dated_price, nano_usd_per_million

PLAUSIBLE_USD_PER_MILLION_MAX: Final = 10_000
TOKENS_MAX: Final = 1_000_000_000
FREE: Final = Price(0, 0)


class PriceWords(NamedTuple):
    """Where a list keeps prices, and how they become USD for each million."""

    table: tuple[str, ...]
    input: str
    output: str
    cached_input: str = ""
    reasoning: str = ""
    request: str = ""
    power: int = 0
    """Tokens' figures times ten to this are USD per million. `request` is USD for each call."""


PRICE_WORDS: Final = (
    # Hugging Face, its partners' contract, Together: USD per million.
    PriceWords(("pricing",), "input", "output", "cached_input", "reasoning"),
    # OpenRouter and whoever is listed there (Cerebras, OVHcloud, Baseten, …): USD per token, as text.
    PriceWords(("pricing",), "prompt", "completion", "input_cache_read", "internal_reasoning", "request", power=6),
    # DeepInfra: USD per million.
    PriceWords(("metadata", "pricing"), "input_tokens", "output_tokens", "cache_read_tokens"),
    # Novita: ten-thousandths of a USD per million.
    PriceWords((), "input_token_price_per_m", "output_token_price_per_m", power=-4),
)
CONTEXT_WORDS: Final = (
    ("loaded_context_length",),  # LM Studio: what it was loaded with counts, not what it could do
    ("context_length",),
    ("context_window",),  # Groq
    ("context_size",),  # Novita
    ("max_context_length",),
    ("max_model_len",),  # vLLM, SGLang
    ("metadata", "context_length"),
    ("top_provider", "context_length"),
    ("meta", "n_ctx"),  # llama.cpp
)
OUTPUT_WORDS: Final = (
    ("max_output_tokens",),
    ("max_completion_tokens",),
    ("max_output_length",),
    ("metadata", "max_tokens"),
    ("top_provider", "max_completion_tokens"),
)
MODALITY_WORDS: Final = (("architecture", "input_modalities"), ("input_modalities",))
OUTPUT_MODALITY_WORDS: Final = (("architecture", "output_modalities"), ("output_modalities",))
ABILITY_FLAGS: Final = (
    (Need.TOOLS, (("supports_tools",), ("capabilities", "function_calling"))),
    (Need.STRUCTURED_OUTPUT, (("supports_structured_output",), ("capabilities", "structured_output"))),
    (Need.IMAGES, (("supports_image_input",), ("capabilities", "vision"))),
)
ABILITY_LISTS: Final = (("supported_features",), ("supported_parameters",), ("features",))
ABILITY_NAMES: Final = {
    "tools": Need.TOOLS,
    "function-calling": Need.TOOLS,
    "function_calling": Need.TOOLS,
    "structured_outputs": Need.STRUCTURED_OUTPUT,
    "structured-outputs": Need.STRUCTURED_OUTPUT,
    "json_schema": Need.STRUCTURED_OUTPUT,
}
TYPE_WORDS: Final = (("type",), ("model_type",))
CHAT_TYPES: Final = frozenset({"chat", "language", "llm", "vlm", "text-generation", "image-text-to-text", "model"})
CHAT_FLAGS: Final = (("supports_chat",), ("capabilities", "completion_chat"), ("active",))
OTHER_JOBS: Final = (
    *("embed", "rerank", "moderation", "whisper", "tts", "transcri", "realtime"),
    *("dall-e", "gpt-image", "sora-", "stable-diffusion", "flux"),
)
"""Parts of names that tell what a model is for, asked only where a list says nothing else."""


class Abilities(NamedTuple):
    """What a list says a model can do; where it says nothing, everything is granted."""

    granted: Need
    known: bool


def price_of(item: Mapping[str, Any], as_of: str) -> Price | None:
    """The price an item states, dated; None where it states none that can be believed."""
    if item.get("is_free") is True:
        return dated_price(FREE, as_of)
    for words in PRICE_WORDS:
        table = at(item, words.table)
        if isinstance(table, Mapping) and words.input in table and words.output in table:
            return _price(table, words, as_of)
    return None


def _price(table: Mapping[str, Any], words: PriceWords, as_of: str) -> Price | None:
    """0 is how lists write "unknown" or "included", so only `is_free` makes a price 0."""
    paid = [_nano_usd(table.get(name), words.power) for name in words[1:5]]
    if not paid[0] or not paid[1]:
        return None
    request = (_nano_usd(table.get(words.request), 0) or 0) * UNITS_PER_PRICE
    if request > PRICE_NANO_USD_MAX:
        return None
    return dated_price(Price(paid[0], paid[1], paid[2] or None, paid[3] or None, request), as_of)


def _nano_usd(figure: object, power: int) -> int | None:
    if isinstance(figure, bool) or not isinstance(figure, int | float | str):
        return None
    try:
        usd = Decimal(str(figure)).scaleb(power)
        return nano_usd_per_million(usd) if usd <= PLAUSIBLE_USD_PER_MILLION_MAX else None
    except (InvalidOperation, ValueError):
        return None


def context_of(item: Mapping[str, Any]) -> int | None:
    """Tokens of context."""
    return _first_count(item, CONTEXT_WORDS)


def output_max_of(item: Mapping[str, Any]) -> int | None:
    """Most tokens of one answer."""
    return _first_count(item, OUTPUT_WORDS)


def abilities_of(item: Mapping[str, Any], modalities: tuple[str, ...] = ()) -> Abilities:
    """Tools, structured output and images, from flags, lists of features, and what it reads."""
    stated = {need: flag for need, words in ABILITY_FLAGS if (flag := _first_flag(item, words)) is not None}
    for words in ABILITY_LISTS:
        features = at(item, words)
        if isinstance(features, list):
            named = {ABILITY_NAMES[name] for name in features if isinstance(name, str) and name in ABILITY_NAMES}
            stated = {need: need in named for need in (Need.TOOLS, Need.STRUCTURED_OUTPUT)} | stated
    known = bool(stated)
    if modalities:
        stated = {Need.IMAGES: "image" in modalities} | stated
    granted = Need.NOTHING
    for need in (Need.TOOLS, Need.STRUCTURED_OUTPUT, Need.IMAGES):
        if stated.get(need, True):
            granted |= need
    return Abilities(granted, known)


def modalities_of(item: Mapping[str, Any], words: tuple[tuple[str, ...], ...] = MODALITY_WORDS) -> tuple[str, ...]:
    """What it reads (or with OUTPUT_MODALITY_WORDS, what it writes); nothing where the list does not say."""
    for path in words:
        names = at(item, path)
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return ()


def is_chat(item: Mapping[str, Any], name: str) -> bool:
    """Whether this is a chat model: as the list says, else unless its name says that it does something else."""
    if any(at(item, path) is False for path in CHAT_FLAGS):
        return False
    if "text" not in (modalities_of(item, OUTPUT_MODALITY_WORDS) or ("text",)):
        return False
    for path in TYPE_WORDS:
        kind = at(item, path)
        if isinstance(kind, str):
            return kind in CHAT_TYPES
    return not any(job in name.lower() for job in OTHER_JOBS)


def rate_of(item: Mapping[str, Any], name: str) -> float | None:
    """A measured figure above 0."""
    value = item.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def at(item: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path of keys, None where there is none."""
    value: Any = item
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _first_count(item: Mapping[str, Any], words: tuple[tuple[str, ...], ...]) -> int | None:
    for path in words:
        value = at(item, path)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and value == value // 1
            and 0 < value <= TOKENS_MAX
        ):
            return int(value)
    return None


def _first_flag(item: Mapping[str, Any], words: tuple[tuple[str, ...], ...]) -> bool | None:
    return next((value for path in words if isinstance(value := at(item, path), bool)), None)
