"""The table of settings itself: defaults that pass their own rule, names that say their unit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from waypost.domain.tables import settings_of
from waypost.providers.configured import ProviderRow
from waypost.routing.model_rows import DeadlineSettings, EndpointSettings, ModelSettings
from waypost.settings_table import SECTIONS

SHAPES = {**SECTIONS, "provider": ProviderRow, "model": ModelSettings, "endpoint": EndpointSettings}
UNITS = ("seconds", "bytes", "days", "rows", "tokens", "fields", "retries", "connections", "flight", "second")


def everything() -> Iterator[tuple[str, str]]:
    return ((section, name) for section, shape in SHAPES.items() for name in settings_of(shape))


@pytest.mark.parametrize(("section", "name"), list(everything()))
def test_a_default_passes_its_own_rule_and_a_meaning_is_a_sentence(section, name) -> None:
    kind, default, meaning = settings_of(SHAPES[section])[name]
    if default is not None:
        written = list(default) if isinstance(default, tuple) else default
        assert kind.read({} if name == "headers" else written) == default
    assert meaning[0].isupper() or meaning[0] == "`"


def test_every_limit_says_its_unit() -> None:
    limits = [name for _, name in everything() if name.endswith(("_max", "_min"))]
    assert len(limits) > 15
    assert [name for name in limits if not any(unit in name.split("_") for unit in UNITS)] == []


def test_every_section_says_what_it_is_about() -> None:
    assert all(shape.__doc__ for shape in SHAPES.values())
    assert SECTIONS["deadlines"] is DeadlineSettings
