"""`docs/reference/settings.md`, made from the shapes that the reader reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from waypost.domain.tables import settings_of
from waypost.providers.configured import RESERVED_SLUGS, ProviderRow
from waypost.providers.known import KNOWN
from waypost.routing.model_rows import DeadlineSettings, EndpointSettings, ModelSettings
from waypost.settings_file import FILE_NAME, FILE_VARIABLE
from waypost.settings_layers import VARIABLES
from waypost.settings_table import SECTIONS

TITLES: Final[tuple[tuple[str, type], ...]] = (
    *SECTIONS.items(),
    ("providers.SLUG", ProviderRow),
    ('models."publisher/name"', ModelSettings),
    ('models."publisher/name".deadlines', DeadlineSettings),
    ('models."publisher/name".SLUG', EndpointSettings),
)
INTRODUCTION: Final = f"""# Settings

*Made by `./dev docs` from the code; do not edit.*

Waypost reads one file, `{FILE_NAME}`: the one named by `--config` or `{FILE_VARIABLE}`, else the one in the current
folder, else `~/.config/waypost/{FILE_NAME}`. Later sources win: default, file, environment, command line. Without any
of them it runs on the defaults. Keys of providers come from the environment alone. A wrong or unknown key stops the
start with one line for each fault, and exit code 3; on a reload the settings before it stay in force.
"""


def settings_reference() -> str:
    """The reference page, Markdown."""
    parts = [INTRODUCTION, _environment()]
    parts += [_section(title, shape) for title, shape in TITLES]
    parts += [_known_providers(), _reserved()]
    return "\n".join(parts)


def _environment() -> str:
    rows = [(f"`{FILE_VARIABLE}`", "the settings file")]
    rows += [(f"`{variable}`", f"`{section}.{name}`") for variable, (section, name) in VARIABLES.items()]
    return "## Environment\n\n" + _table(("variable", "sets"), rows)


def _section(title: str, shape: type) -> str:
    rows = [
        (f"`{name}`", _default(default), _escaped(kind.words), _escaped(meaning))
        for name, (kind, default, meaning) in settings_of(shape).items()
    ]
    return f"## `[{title}]`\n\n{shape.__doc__}\n\n" + _table(("key", "default", "must be", "meaning"), rows)


def _known_providers() -> str:
    rows = [
        (f"`{row.slug}`", f"`{row.base_url}`", " or ".join(f"`{name}`" for name in row.key_names) or "cannot be called")
        for row in KNOWN
    ]
    note = "A key in the environment switches one on; `[providers.SLUG]` changes what is known about it.\n\n"
    return "## Known providers\n\n" + note + _table(("slug", "base_url", "key"), rows)


def _reserved() -> str:
    return "## Names no provider can have\n\n" + ", ".join(f"`{slug}`" for slug in sorted(RESERVED_SLUGS)) + "\n"


def _default(value: Any) -> str:
    if value is None or value == "":
        return "unset"
    return f"`{json.dumps(value)}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, tuple("---" for _ in head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
