"""The practice providers that come built in, and what the catalogue says of them: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from waypost.domain.chat import Need
from waypost.domain.endpoints import Endpoint, Model, Provider
from waypost.domain.money import Price, dated_price, nano_usd_per_million

CREATED: Final = 1_764_547_200
"""Unix seconds that every practice model gives as its birth: 1 December 2025."""
PRICED: Final = "practice"
"""In place of a date: these figures change with the program alone, and each has a version of its own."""
_BOTH: Final = Need.TOOLS | Need.STRUCTURED_OUTPUT
_ALL: Final = _BOTH | Need.IMAGES


@dataclass(frozen=True, slots=True)
class PracticeProvider:
    """A provider to play: what it runs, how fast, and what goes wrong."""

    slug: str
    models: tuple[Endpoint, ...]
    key: str | None = None
    """The bearer key it demands; None takes any, and none."""
    speed: float | None = None
    """Tokens a second for all its models; 0 is as fast as it can; None leaves each its own."""
    first_word_seconds: float | None = None
    """Until the first frame, for all its models; None leaves each its own, or none where `speed` is 0."""
    faults: str = ""
    """What goes wrong without being asked for, as `faults.read` understands it."""
    reasoning_field: str = "reasoning"
    stops_billing_on_cancel: bool = True
    canned: bool = False
    """Answers from prepared bytes without reading the request, for benchmarks (`canned.py`)."""

    def __post_init__(self) -> None:
        for endpoint in self.models:
            if endpoint.provider != self.slug:
                raise ValueError(f"{endpoint.model} is listed at {self.slug} but belongs to {endpoint.provider}")

    def at_speed(self, speed: float, first_word_seconds: float = 0.0) -> PracticeProvider:
        """The same provider, faster or slower."""
        return replace(self, speed=speed, first_word_seconds=first_word_seconds)


def at(slug: str, model: str, price: tuple[str, str] | None, speed: tuple[float, float], **more: object) -> Endpoint:
    """A row: USD per million input and output tokens, milliseconds to the first token and tokens a second."""
    first_token_ms, output_tokens_per_s = speed
    row = Endpoint(
        model=model,
        provider=slug,
        id=model,
        price=None if price is None else _price(*price),
        context_length=32_768,
        output_tokens_max=8192,
        abilities=_BOTH,
        abilities_known=True,
        first_token_ms=first_token_ms,
        output_tokens_per_s=output_tokens_per_s,
        source="practice",
        as_of="2025-12-01",
    )
    return replace(row, **more)  # type: ignore[arg-type]  # the names are Endpoint's own


def _price(input_usd: str, output_usd: str) -> Price:
    price = Price(nano_usd_per_million(input_usd), nano_usd_per_million(output_usd))
    return dated_price(price, PRICED)


_FAST: Final = (30.0, 400.0)
_SLOW: Final = (200.0, 60.0)
_FAIR: Final = (80.0, 150.0)

SWIFT: Final = PracticeProvider(
    "practice-swift",
    (
        at("practice-swift", "practice/parrot", ("0.40", "1.20"), _FAST),
        at("practice-swift", "practice/sage", ("1.00", "4.00"), _FAST, context_length=8192, id="sage-turbo"),
        at("practice-swift", "practice/painter", ("0.80", "2.40"), _FAST, abilities=_ALL),
        at("practice-swift", "practice/clerk", ("0.30", "0.90"), _FAST),
        at("practice-swift", "openai/gpt-oss-120b", ("0.35", "0.75"), _FAST, context_length=131_072, id="gpt-oss-120b"),
        at("practice-swift", "meta/llama", ("0.25", "0.60"), _FAST),
    ),
)
"""Fast and dear; its sage has a short memory."""

THRIFTY: Final = PracticeProvider(
    "practice-thrifty",
    (
        at("practice-thrifty", "practice/parrot", ("0.05", "0.15"), _SLOW, abilities=Need.STRUCTURED_OUTPUT),
        at("practice-thrifty", "practice/sage", ("0.10", "0.40"), _SLOW, context_length=131_072),
        at("practice-thrifty", "practice/painter", ("0.08", "0.24"), _SLOW),
        at("practice-thrifty", "practice/clerk", ("0.03", "0.09"), _SLOW, abilities=Need.NOTHING),
        at("practice-thrifty", "openai/gpt-oss-120b", ("0.10", "0.40"), _SLOW, context_length=131_072),
        at("practice-thrifty", "meta/llama", ("0.04", "0.10"), _SLOW, id="llama-at-thrifty"),
    ),
    reasoning_field="reasoning_content",
    stops_billing_on_cancel=False,
)
"""Slow and cheap; its parrot has no tools, its painter sees no images, its clerk knows neither tools nor forms."""

FLAKY: Final = PracticeProvider(
    "practice-flaky",
    (
        at("practice-flaky", "practice/parrot", ("0.10", "0.30"), _FAIR, abilities=Need.TOOLS),
        at("practice-flaky", "practice/sage", None, _FAIR),
        at("practice-flaky", "practice/painter", ("0.20", "0.60"), _FAIR, abilities=_ALL),
    ),
    faults="flaky=3",
)
"""Every third call fails, each time in another way; nobody knows what its sage costs."""

TOGETHER: Final = PracticeProvider(
    "together",
    (
        at("together", "openai/gpt-oss-120b", ("0.15", "0.60"), (120.0, 200.0), context_length=131_072),
        at("together", "Qwen/Qwen3.5-9B", ("0.10", "0.30"), (90.0, 180.0), context_length=262_144),
    ),
)
"""Stands in for the provider of that name, so that the seed documents' lines run as printed."""

BUILT_IN: Final = (SWIFT, THRIFTY, FLAKY, TOGETHER)

BENCH: Final = PracticeProvider(
    "practice-bench",
    (
        at("practice-bench", "bench/burst", ("0.10", "0.30"), (1.0, 100_000.0)),
        at("practice-bench", "bench/paced", ("0.10", "0.30"), (5.0, 200.0)),
    ),
    canned=True,
)
"""For benchmarks: 1 KB whole; 100 frames of 180 bytes, all at once (`bench/burst`) or 5 ms apart (`bench/paced`)."""

_MODALITIES: Final = {"practice/painter": ("text", "image")}


def catalogue_rows(
    base_urls: Mapping[str, str], profiles: tuple[PracticeProvider, ...] = BUILT_IN
) -> tuple[dict[str, Provider], dict[str, Model]]:
    """Providers by slug and models by id, of the profiles that run at `base_urls` (slug → address)."""
    running = [profile for profile in profiles if profile.slug in base_urls]
    providers = {
        profile.slug: Provider(
            slug=profile.slug,
            base_url=base_urls[profile.slug],
            key=profile.key,
            keyless=profile.key is None,
            stops_billing_on_cancel=profile.stops_billing_on_cancel,
            allow_private=True,
            practice=True,
        )
        for profile in running
    }
    endpoints: dict[str, list[Endpoint]] = {}
    for profile in running:
        for endpoint in profile.models:
            endpoints.setdefault(endpoint.model, []).append(endpoint)
    models = {
        name: Model(name, tuple(rows), created=CREATED, input_modalities=_MODALITIES.get(name, ("text",)))
        for name, rows in endpoints.items()
    }
    return providers, models
