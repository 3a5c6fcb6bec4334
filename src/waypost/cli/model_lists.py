"""`waypost models list` and `show`: the catalogue as this caller may use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from waypost.cli.access import router_for
from waypost.cli.amounts import count, decimals, duration, known, rate
from waypost.cli.columns import Column, show_list
from waypost.cli.options import Call
from waypost.cli.screen import plain
from waypost.domain.tables import did_you_mean

MODELS_PATH: Final = "/v1/models"
Row = dict[str, Any]


def show_models(call: Call, text: str, provider: str | None) -> None:
    """Every model that fits."""
    entries = router_for(call.where).get(MODELS_PATH)["data"]
    wanted = [
        entry
        for entry in entries
        if text.lower() in entry["id"].lower()
        and (provider is None or any(row["provider"] == provider for row in entry["providers"]))
    ]
    show_list(call.screen, wanted, LIST, _why_nothing(entries, provider))
    if wanted:
        call.screen.hint(f"waypost models show {plain(wanted[0]['id'])}")


def _why_nothing(entries: list[Row], provider: str | None) -> str:
    """For people who see an empty list."""
    if not entries:
        return "There are no models yet; `waypost models sync` asks providers for theirs."
    running = {row["provider"] for entry in entries for row in entry["providers"]}
    if provider is not None and provider not in running:
        return f"No model fits: nobody called {plain(provider)!r} runs one{did_you_mean(provider, running) or '.'}"
    return "No model fits."


def show_model(call: Call, model: str) -> None:
    """A model's providers."""
    entry = router_for(call.where).get(f"{MODELS_PATH}/{quote(model, safe='')}")
    screen = call.screen
    if screen.style == "json":
        screen.json(entry)
        return
    if screen.human:
        takes = " and ".join(entry["architecture"]["input_modalities"])
        screen.out(f"{screen.bold(plain(entry['id']))}  takes {plain(takes)}")
        screen.out()
    show_list(screen, entry["providers"], PROVIDERS, "Nobody runs it.")
    screen.hint(f"waypost explain {plain(entry['id'])}:cheapest")


def may_call(row: Row) -> bool:
    """Whether a provider can be called now, as far as was told."""
    return bool(row.get("callable", row["status"] == "live"))


def best(of: Callable[[Row], Any], field: str) -> Callable[[Row], Any]:
    """A field of the provider that is first by a figure, among those that can be called."""

    def look(entry: Row) -> Any:
        rows = [row for row in entry["providers"] if may_call(row) and of(row) is not None]
        return field_of(min(rows, key=of), field) if rows else None

    return look


def field_of(row: Row, field: str) -> Any:
    """A field, or one within `pricing`."""
    outer, _, inner = field.rpartition(".")
    return (row.get(outer) or {}).get(inner) if outer else row.get(field)


def _cost(row: Row) -> float | None:
    """For ranking: a chat's cost is led by the price of its output."""
    price = row.get("pricing")
    return None if price is None else price["input"] + 3 * price["output"]


def _slowness(row: Row) -> float | None:
    speed = row.get("throughput")
    return None if speed is None else -float(speed)


def _callable_of(entry: Row) -> str:
    return f"{sum(map(may_call, entry['providers']))}/{len(entry['providers'])}"


def _why_not(row: Row) -> str | None:
    out = row.get("why_not")
    if out is None:
        return None if may_call(row) else "no key, or switched off"
    return " ".join(filter(None, [f"{out['reason']}:", out.get("why"), out.get("fix")]))


LIST: Final = (
    Column("MODEL", lambda entry: entry["id"], flex=True),
    Column("CALLABLE", _callable_of, right=True, spare=3),
    Column("CHEAPEST", best(_cost, "provider"), flex=True, spare=2),
    Column("USD IN", best(_cost, "pricing.input"), decimals, right=True),
    Column("USD OUT", best(_cost, "pricing.output"), decimals, right=True, spare=1),
    Column("FASTEST", best(_slowness, "provider"), flex=True, spare=4),
    Column("PER S", best(_slowness, "throughput"), rate, right=True, key="tokens_per_s", spare=5),
    Column("FIRST WORD", best(_slowness, "first_token_latency_ms"), duration, right=True, key="first_word_ms", spare=6),
)
PROVIDERS: Final = (
    Column("PROVIDER", lambda row: row["provider"]),
    Column(
        "CALLABLE", may_call, known, paint=lambda screen, text: (screen.green if text == "yes" else screen.red)(text)
    ),
    Column("USD IN", lambda row: field_of(row, "pricing.input"), decimals, right=True),
    Column("USD OUT", lambda row: field_of(row, "pricing.output"), decimals, right=True),
    Column("CONTEXT", lambda row: row.get("context_length"), count, right=True, spare=2),
    Column("TOOLS", lambda row: row.get("supports_tools"), known, spare=3),
    Column("STRUCTURED", lambda row: row.get("supports_structured_output"), known, spare=4),
    Column("PER S", lambda row: row.get("throughput"), rate, right=True, key="tokens_per_s", spare=1),
    Column(
        "FIRST WORD", lambda row: row.get("first_token_latency_ms"), duration, right=True, key="first_word_ms", spare=2
    ),
    Column("WHY NOT", _why_not, flex=True, wrap=True, optional=True),
)
