"""The reference page is made from the table, so nothing can be missing from it."""

from __future__ import annotations

from waypost.domain.tables import settings_of
from waypost.providers.known import KNOWN
from waypost.settings_layers import VARIABLES
from waypost.settings_reference import TITLES, settings_reference


def test_every_setting_variable_and_known_provider_has_its_row() -> None:
    page = settings_reference()
    for title, shape in TITLES:
        section = page.partition(f"## `[{title}]`\n")[2].partition("\n## ")[0]
        for name in settings_of(shape):
            assert f"| `{name}` |" in section, f"{title}.{name}"
    assert all(f"`{variable}`" in page for variable in VARIABLES)
    assert all(f"| `{row.slug}` | `{row.base_url}` |" in page for row in KNOWN)


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    counts = [line.replace("\\|", "").count("|") for line in settings_reference().splitlines() if line.startswith("|")]
    assert set(counts) <= {3, 4, 5}
    assert len(counts) > 80
