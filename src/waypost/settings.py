"""The settings in force: `waypost.toml`, the environment and the command line, read once and then trusted.

The only reader of files and environment for settings. Later sources win: default, file, environment, command line.
Keys of providers come from the environment alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from waypost.domain.endpoints import Deadlines, Model, Provider
from waypost.domain.tables import Place
from waypost.providers.configured import configure
from waypost.routing.model_rows import DeadlineSettings, ModelRow, read_models
from waypost.routing.sheets import files_of
from waypost.settings_file import Document, SettingsError, candidates, find_file, read_file
from waypost.settings_layers import Layers, read_layers
from waypost.settings_lines import SettingLine, model_lines, provider_lines, section_lines
from waypost.settings_table import (
    SECTIONS,
    Credits,
    Errors,
    Log,
    Practice,
    Proxy,
    Routing,
    Server,
    Store,
    Telemetry,
    Tokens,
    Waybills,
)

__all__ = ["SettingLine", "Settings", "SettingsError", "load", "needs_restart", "watch"]

MISSING: Final = (0, 0, 0)
TAKEN_UP: Final = frozenset(
    {
        "server.drain_seconds_max",
        "routing.default_policy",
        "routing.explore_share",
        "routing.unpriced",
        "tokens.prefix",
        "waybills.bodies",
        "waybills.keep_days",
        "waybills.keep_rows_max",
    }
)
"""Settings that a running process takes up, beside all deadlines, providers and models."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Handed to `app` and `cli` alone; the rooms get what they need of it."""

    server: Server
    store: Store
    routing: Routing
    tokens: Tokens
    errors: Errors
    credits: Credits
    waybills: Waybills
    practice: Practice
    proxy: Proxy
    log: Log
    telemetry: Telemetry
    deadlines: Deadlines
    providers: dict[str, Provider]
    """By slug: those of the settings in their order, then every known one, keys filled in."""
    models: dict[str, ModelRow]
    """The settings' own rows; `routing.assembly` lays them over the synced catalogue."""
    data_folder: Path
    """Absolute; it need not be there yet."""
    file: Path | None
    """The file that was read."""
    as_of: str
    """ISO date of that file's last change."""
    notes: tuple[str, ...]
    """What is odd but not wrong, a line each."""
    lines: tuple[SettingLine, ...]
    looked_for: tuple[Path, ...]
    """Files that would be read if they were there."""
    mark: tuple[object, ...]
    """What `watch` gave just before they were read."""
    top_up_secret: str = field(default="", repr=False)
    """What messages about payments are signed with, as it is in the environment: `crew` looks whether it will do."""

    @property
    def catalogue_folder(self) -> Path:
        """Where `waypost models sync` puts what it read."""
        return self.data_folder / "catalogue"

    def practice_offered(self, models: Mapping[str, Model]) -> bool:
        """Whether practice providers serve: as set, else while nobody else could serve anything in `models`."""
        if self.practice.enabled is not None:
            return self.practice.enabled
        slugs = {provider.slug for provider in self.providers.values() if provider.usable and not provider.disabled}
        return not any(endpoint.provider in slugs for model in models.values() for endpoint in model.endpoints)

    def describe(self) -> tuple[SettingLine, ...]:
        """Every setting in force and where it came from. Holds no secret."""
        return self.lines


def load(
    config_path: Path | str | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read everything. `overrides` are the command line's, such as `{"server.port": 9000}`.

    Raises SettingsError with every fault that was found.
    """
    path = find_file(config_path, environment)
    looked_for = (path,) if path else candidates(environment)
    before = _marks(looked_for)  # whatever changes from here on is seen as a change
    document = read_file(path)
    settings = _settings(document, environment, read_layers(document, environment, overrides or {}))
    return replace(settings, looked_for=looked_for, mark=(*before, *_marks(_sheets(settings))))


def needs_restart(started: Settings, now: Settings) -> tuple[str, ...]:
    """Names of the settings that changed since the start without effect: they are read there alone."""
    found = []
    for section, shape in SECTIONS.items():
        before, after = getattr(started, section), getattr(now, section)
        for key in fields(shape):
            changed = getattr(before, key.name) != getattr(after, key.name)
            if changed and _read_once(f"{section}.{key.name}", started):
                found.append(f"{section}.{key.name}")
    return tuple(found)


def _read_once(name: str, started: Settings) -> bool:
    if name == "practice.enabled":
        return started.practice.enabled is False  # nobody started them; else they run, and are offered or not
    return name not in TAKEN_UP and not name.startswith("deadlines.")


def watch(settings: Settings) -> tuple[object, ...]:
    """A mark of the settings' and the catalogue's files; where it is not `settings.mark`, one of them has changed."""
    return (*_marks(settings.looked_for), *_marks(_sheets(settings)))


def _sheets(settings: Settings) -> list[Path]:
    return sorted(files_of(settings.catalogue_folder))


def _marks(files: Iterable[Path]) -> tuple[object, ...]:
    return tuple((str(path), _stamp(path)) for path in files)


def _settings(document: Document, environment: Mapping[str, str], layers: Layers) -> Settings:
    tables, where = document.tables, document.where
    configured = configure(tables.get("providers", {}), environment, Place(where, "providers", layers.faults))
    deadlines = DeadlineSettings(**layers.given["deadlines"])
    models = read_models(
        tables.get("models", {}), configured.providers, deadlines, Place(where, "models", layers.faults)
    )
    sections = {name: shape(**layers.given[name]) for name, shape in SECTIONS.items()}
    _check_together(sections, Place(where, "", layers.faults))
    if layers.faults:
        raise SettingsError(layers.faults)
    lines = (
        *section_lines(sections, layers.origins),
        *provider_lines(configured.providers.values(), configured.given, where),
        *model_lines(models.values(), where),
    )
    return Settings(
        **(sections | {"deadlines": deadlines.deadlines}),
        providers=configured.providers,
        models=models,
        data_folder=Path(sections["store"].data_folder),
        file=document.path,
        as_of=document.as_of,
        notes=(*layers.notes, *configured.notes),
        lines=lines,
        looked_for=(),
        mark=(),
        top_up_secret=environment.get(sections["credits"].webhook_secret_env or "", ""),
    )


def _check_together(sections: Mapping[str, Any], place: Place) -> None:
    """What no single key can be blamed for."""
    server, routing = sections["server"], sections["routing"]
    if (server.tls_cert_file is None) != (server.tls_key_file is None):
        place.at("server").fault("needs both tls_cert_file and tls_key_file, or neither")
    for name in ("tls_cert_file", "tls_key_file"):
        path = getattr(server, name)
        if path is not None and not Path(path).is_file():
            place.at("server").at(name).fault(f"names no file: {path}")
    if routing.breaker_rest_seconds > routing.breaker_rest_seconds_max:
        place.at("routing").at("breaker_rest_seconds").fault("must not be above breaker_rest_seconds_max")


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return MISSING
    return (status.st_mtime_ns, status.st_size, status.st_ino)
