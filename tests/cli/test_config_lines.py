"""The settings in force, and every fault of those that cannot be."""

from __future__ import annotations

import pytest


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "gsk_secret")
    path = tmp_path / "waypost.toml"
    path.write_text('[server]\nport = 9000\n[proxy]\nurl = "http://u:geheim@proxy.example.com:3128"\n')
    return path


def test_what_was_set_is_shown_with_its_origin_and_no_secret(alone, config) -> None:
    rows = {row["key"]: row for row in alone("config", "show", "--format", "json").data}
    assert rows["server.port"] == {"key": "server.port", "value": "9000", "origin": str(config)}
    assert rows["providers.groq.key"]["origin"] == "environment GROQ_API_KEY"
    assert "server.host" not in rows
    everything = alone("config", "show", "--all")
    assert any(line.startswith("server.host\t") for line in everything.lines)
    assert "gsk_secret" not in everything.out
    assert "geheim" not in everything.out


def test_paths_are_shown_and_where_a_file_was_looked_for(alone, config, tmp_path) -> None:
    assert alone("config", "path", "--format", "json").data["settings"] == str(config)
    assert alone("config", "path", "--format", "quiet").out == f"{config}\n"
    config.unlink()
    told = alone("config", "path", "--format", "human").out
    assert told.startswith("settings    none\n")
    assert str(tmp_path / "waypost-data") in told
    assert "looked for" in told


def test_settings_are_checked_and_every_fault_is_told(alone, config) -> None:
    assert alone("config", "check").code == 0
    config.write_text('[server]\nprot = 1\nport = "x"\n')
    done = alone("config", "check")
    assert done.code == 3
    assert len(done.err.splitlines()) == 3
    assert "did you mean" in done.err
    assert 'must be a whole number from 0 to 65,535, not "x"' in done.err


def test_what_is_odd_is_a_note_and_no_fault(alone, config) -> None:
    config.write_text('[providers.paid]\nbase_url = "https://x.example.com/v1"\nkey_env = "NOT_THERE"\n')
    done = alone("config", "check", "--format", "human")
    assert done.code == 0
    assert "note: providers.paid: NOT_THERE is not set" in done.err
