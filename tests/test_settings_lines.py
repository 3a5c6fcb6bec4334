"""Lines about settings: written as TOML writes values, secrets as fingerprints."""

from __future__ import annotations

from waypost.domain.endpoints import Deadlines, Provider
from waypost.routing.model_rows import ModelRow
from waypost.settings_lines import fingerprint, model_lines, provider_lines, section_lines
from waypost.settings_table import Proxy, Server


def values(lines) -> dict[str, str]:
    return {line.key: line.value for line in lines}


def test_a_fingerprint_tells_secrets_apart_and_does_not_tell_them() -> None:
    assert fingerprint("one") == fingerprint("one") != fingerprint("two")
    assert "one" not in fingerprint("one")


def test_values_are_written_as_in_the_file_and_unset_ones_are_empty() -> None:
    shown = values(section_lines({"server": Server(allowed_origins=("*",))}, {}))
    assert shown["server.host"] == '"127.0.0.1"'
    assert shown["server.allowed_origins"] == '["*"]'
    assert shown["server.tls_cert_file"] == ""


def test_the_proxy_s_password_shows_as_a_fingerprint_and_its_host_as_it_is() -> None:
    shown = values(section_lines({"proxy": Proxy(url="http://me:pw@proxy:3128")}, {}))["proxy.url"]
    assert "pw@" not in shown
    assert shown.endswith('@proxy:3128"')
    assert values(section_lines({"proxy": Proxy(url="http://proxy:1")}, {}))["proxy.url"] == '"http://proxy:1"'


def test_prices_are_shown_in_usd_as_they_were_written() -> None:
    given = {"input_usd_per_million": 100_000_000, "usd_per_request": 1_000_000_000_000, "output_usd_per_million": 0}
    row = ModelRow("acme/one", None, None, Deadlines(), {"alpha": given})
    shown = values(model_lines([row], "file"))
    assert shown['models."acme/one".alpha.input_usd_per_million'] == '"0.1"'
    assert shown['models."acme/one".alpha.usd_per_request'] == '"0.001"'
    assert shown['models."acme/one".alpha.output_usd_per_million'] == '"0"'
    assert shown['models."acme/one".deadlines.silence_seconds_max'] == "60.0"


def test_aliases_and_retired_models_have_their_line() -> None:
    rows = [ModelRow("a/b", "a/c", None, None, {}), ModelRow("a/d", None, "2026-06-01", None, {})]
    assert values(model_lines(rows, "file")) == {
        'models."a/b".alias_of': '"a/c"',
        'models."a/d".retired': '"2026-06-01"',
    }


def test_a_provider_without_need_of_a_key_has_no_line_about_one() -> None:
    local = Provider("local", "http://127.0.0.1:1/v1", keyless=True)
    assert list(provider_lines([local], {}, "file")) == []
    given = {"headers": (("x-token", "hush"), ("x-team", "blue"))}
    (line,) = provider_lines([local], {"local": given}, "file")
    assert "hush" not in line.value
    assert "blue" in line.value
