"""What would be offered is what is offered: the same catalogue, whether a server runs or not."""

from __future__ import annotations

from waypost.cli.offers import catalogue_of
from waypost.settings import load


def offered(data, text: str = "") -> tuple[set[str], set[str]]:
    """Models, and practice providers that serve."""
    path = data.parent / "offered.toml"
    path.write_text(text)
    catalogue = catalogue_of(load(path, {"HOME": "/"}, {"store.data_folder": str(data)}))
    return set(catalogue.models), {slug for slug, row in catalogue.providers.items() if row.practice}


def test_models_are_those_that_a_server_lists(cli, served, tmp_path) -> None:
    here, _ = offered(tmp_path / "data")
    assert here == set(cli("models", "list", "--format", "quiet").lines)


def test_where_somebody_else_can_serve_there_is_no_practice(tmp_path) -> None:
    workshop = '[providers.workshop]\nbase_url = "http://10.0.0.7/v1"\n'
    assert offered(tmp_path / "data", workshop)[1], "it runs nothing yet"
    models, practice = offered(tmp_path / "data", f'{workshop}[models."acme/one".workshop]\n')
    assert (models, practice) == ({"acme/one"}, set())
    assert offered(tmp_path / "data", "[practice]\nenabled = false\n") == (set(), set())
