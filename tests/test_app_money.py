"""What the settings leave out of the route table."""

from waypost.app_money import absent_routes
from waypost.settings import load


def test_payments_are_heard_of_only_where_a_secret_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absent_routes(load(None, {})) == {"top_up"}
    (tmp_path / "waypost.toml").write_text('[credits]\nwebhook_secret_env = "PAID"\n')
    settings = load(None, {"PAID": "a secret of thirty-two characters"})
    assert absent_routes(settings) == frozenset()
    assert "thirty-two" not in repr(settings)
