"""`waypost models sync`: asks who runs what at which price, says what is new, and writes it down."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from waypost.cli.calling_out import call_out, exit_of_failure
from waypost.cli.columns import Column, show_list
from waypost.cli.exits import Exit, Stop
from waypost.cli.failures import one_line
from waypost.cli.options import Call, usage_error
from waypost.cli.provider_lists import named
from waypost.cli.screen import Screen, plain
from waypost.cli.whereabouts import settings_at
from waypost.domain.endpoints import Provider, Sheet
from waypost.domain.problems import Failed
from waypost.providers.known import HUB_URL, HUGGINGFACE, KNOWN_BY_SLUG
from waypost.providers.sync import Changes, changes, sync
from waypost.providers.upstream import Upstream
from waypost.routing.sheets import read_sheets, write_sheet
from waypost.settings import Settings

HUB_VARIABLE: Final = "HF_ENDPOINT"
"""Hugging Face's own name for another address of the Hub."""


class Synced(NamedTuple):
    """One source, and what came of asking it."""

    slug: str
    sheet: Sheet | None
    changes: Changes | None
    failed: Failed | None


def sync_models(call: Call, slugs: tuple[str, ...], *, dry_run: bool) -> int:
    """Ask; the exit code says whether all that were asked answered."""
    settings = settings_at(call.where)
    sources = [named(settings, slug) for slug in slugs] or usual_sources(settings)
    if not sources:
        raise usage_error("Nobody is there to be asked: every provider is switched off.", "Name one: models sync SLUG")
    call.screen.note(f"Asking {', '.join(source.slug for source in sources)} …")
    today = datetime.now(UTC).date().isoformat()
    before = {sheet.name: sheet for sheet in read_sheets(settings.catalogue_folder).sheets}
    synced = call_out(settings, lambda upstream: _ask_all(upstream, sources, today, before))
    rows = [_row(one) for one in synced]
    if not dry_run:
        for row, one in zip(rows, synced, strict=True):
            row["file"] = _written(settings, one)
    show_list(call.screen, rows, COLUMNS)
    _tell(call.screen, synced, dry_run=dry_run)
    return _code(synced)


def usual_sources(settings: Settings) -> list[Provider]:
    """Every provider that can be called and publishes a list, and Hugging Face's where it says anything of them.

    That list is public and speaks of known providers, so who has only servers of their own has no use for it; who has
    nobody at all has nobody else to ask.
    """
    usable = [provider for provider in settings.providers.values() if provider.usable and not provider.disabled]
    huggingface = settings.providers[HUGGINGFACE]
    wanted = not usable or any(provider.slug in KNOWN_BY_SLUG for provider in usable)
    first = [huggingface] if wanted and not huggingface.disabled else []
    return first + [provider for provider in usable if provider is not huggingface and _has_list(provider)]


def _has_list(provider: Provider) -> bool:
    known = KNOWN_BY_SLUG.get(provider.slug)
    return known is None or known.models_path is not None


async def _ask_all(upstream: Upstream, sources: list[Provider], today: str, before: dict[str, Sheet]) -> list[Synced]:
    """Hugging Face first: its list says what the others call their models."""
    hub_url = os.environ.get(HUB_VARIABLE, HUB_URL).rstrip("/")  # noqa: TID251 (the Hub's own variable)
    first = [source for source in sources if source.slug == HUGGINGFACE]
    done = [await _ask(upstream, source, today, before, hub_url) for source in first]
    newest = next((one.sheet for one in done if one.sheet is not None), before.get(HUGGINGFACE))
    known = before if newest is None else before | {HUGGINGFACE: newest}
    others = [source for source in sources if source.slug != HUGGINGFACE]
    return done + list(await asyncio.gather(*(_ask(upstream, one, today, known, hub_url) for one in others)))


async def _ask(upstream: Upstream, source: Provider, today: str, before: dict[str, Sheet], hub_url: str) -> Synced:
    try:
        sheet = await sync(upstream, source, today, before.get(HUGGINGFACE), hub_url)
    except Failed as failed:
        return Synced(source.slug, None, None, failed)
    return Synced(source.slug, sheet, changes(before.get(source.slug), sheet), None)


def _written(settings: Settings, one: Synced) -> str | None:
    return None if one.sheet is None else str(write_sheet(settings.catalogue_folder, one.sheet))


def _row(one: Synced) -> dict[str, Any]:
    what = one.changes
    return {
        "source": one.slug,
        "models": None if one.sheet is None else len(one.sheet.models),
        "new": None if what is None else len(what.new),
        "gone": None if what is None else len(what.gone),
        "repriced": None if what is None else len(what.repriced),
        "file": None,
        "error": None if one.failed is None else one_line(one.failed.message, one.failed.why),
    }


def _tell(screen: Screen, synced: list[Synced], *, dry_run: bool) -> None:
    for one in synced:
        if one.changes is not None and one.sheet is not None:
            for line in (*one.changes.lines[1:], *one.sheet.notes):
                screen.note(screen.faint(f"{one.slug}: {plain(line)}"))
    if dry_run:
        screen.note("Nothing was written.")
    elif any(one.sheet is not None for one in synced):
        screen.hint("waypost models list")


def _code(synced: list[Synced]) -> int:
    """Every source answered; or none could be reached; or it is in between."""
    troubles = [one.failed for one in synced if one.failed is not None]
    if not troubles:
        return Exit.FINE
    codes = {exit_of_failure(failed) for failed in troubles}
    worst = codes.pop() if len(codes) == 1 else Exit.PROVIDER
    if len(troubles) < len(synced):
        return Exit.NOT_WELL
    first = troubles[0]
    hint = "Check the network or [proxy]; what was synced before stays in force."
    raise Stop(worst, one_line(first.message, first.why), hint if worst is Exit.UNREACHABLE else first.fix)


COLUMNS: Final = (
    Column("SOURCE", lambda row: row["source"]),
    Column("MODELS", lambda row: row["models"], right=True),
    Column("NEW", lambda row: row["new"], right=True),
    Column("GONE", lambda row: row["gone"], right=True),
    Column("REPRICED", lambda row: row["repriced"], right=True),
    Column("FILE", lambda row: row["file"], flex=True, optional=True),
    Column("ERROR", lambda row: row["error"], flex=True, optional=True),
)
