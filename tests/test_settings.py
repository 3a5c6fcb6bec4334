"""The settings in force, from a file as people write it to what the rooms are handed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from waypost.domain.endpoints import Deadlines, Endpoint, Model
from waypost.settings import Settings, SettingsError, load, needs_restart, watch

DESIGN = """
[providers.alpha]
base_url = "http://127.0.0.1:9001/v1"
key_env = "ALPHA_KEY"

[models."acme/one".alpha]
id = "one-at-alpha"
input_usd_per_million = "0.10"
output_usd_per_million = "0.30"
context_length = 32768
output_tokens_max = 8192
image_tokens_max = 2048
abilities = ["tools", "structured_output", "images"]

[models."acme/old"]
retired = "2026-06-01"

[server]
host = "127.0.0.1"
port = 8080
"""
"""The words of `router.md`, as they stand there."""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    file = folder / "waypost.toml"
    file.write_text(text, encoding="utf-8")
    return file


def faults(folder: Path, text: str, environment=None, overrides=None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(write(folder, text), environment or {"HOME": str(folder)}, overrides)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.faults)
    return [line.removeprefix(f"{folder / 'waypost.toml'}: ") for line in lines]


def test_the_design_s_own_words_are_understood(home) -> None:
    settings = load(write(home, DESIGN), {"ALPHA_KEY": "sk-1", "HOME": str(home)})
    alpha = settings.providers["alpha"]
    assert (alpha.base_url, alpha.key, alpha.usable, alpha.allow_private) == (
        "http://127.0.0.1:9001/v1",
        "sk-1",
        True,
        True,
    )
    assert settings.models["acme/one"].endpoints["alpha"]["id"] == "one-at-alpha"
    assert settings.models["acme/old"].retired == "2026-06-01"
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.notes == ()


def test_without_a_file_everything_has_its_default(home) -> None:
    settings = load(None, {"HOME": str(home)})
    assert settings.file is None
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("127.0.0.1", 8080, 1)
    assert settings.deadlines == Deadlines(5.0, 120.0, 60.0, 600.0)
    assert settings.server.drain_seconds_max == 600
    assert (settings.tokens.prefix, settings.errors.style, settings.waybills.bodies) == ("wp_", "waypost", False)
    assert settings.data_folder == Path.cwd() / "waypost-data"
    assert settings.catalogue_folder == settings.data_folder / "catalogue"


def test_all_faults_of_a_file_are_told_at_once_a_line_each(home) -> None:
    text = """
    port = 80
    [servr]
    [server]
    port = "80a"
    hots = "x"
    [errors]
    style = "hugging"
    [models."acme/one".grok]
    id = "x"
    [models."acme/two"]
    alias_of = "acme/two"
    """
    assert faults(home, text) == [
        "port is no setting; did you mean port in [server]?",
        'servr is no setting; did you mean "server"?',
        'server.port must be a whole number from 0 to 65,535, not "80a"',
        'server.hots is no setting; did you mean "host"?',
        'errors.style must be one of "waypost", "huggingface", not "hugging"',
        'models."acme/one".grok names no provider there is; did you mean "groq"?',
        'models."acme/two" is an alias of "acme/two", which is an alias itself; name the model that is meant',
    ]


def test_what_no_single_key_can_be_blamed_for_is_told_too(home) -> None:
    text = """
    [server]
    tls_cert_file = "cert.pem"
    [routing]
    breaker_rest_seconds = 400
    """
    assert faults(home, text) == [
        "server needs both tls_cert_file and tls_key_file, or neither",
        f"server.tls_cert_file names no file: {home / 'cert.pem'}",
        "routing.breaker_rest_seconds must not be above breaker_rest_seconds_max",
    ]


def test_a_key_in_the_file_is_refused_and_never_repeated(home) -> None:
    secret = "gsk_verysecretindeed"
    for text in (f'key = "{secret}"', f'key_env = "{secret}"', f'api_key = "{secret}"', f'token = ["{secret}"]'):
        lines = faults(home, f"[providers.groq]\n{text}")
        assert len(lines) == 1, lines
        assert secret not in lines[0]
        assert "environment" in lines[0]


def test_no_secret_is_in_the_description_or_in_any_repr(home) -> None:
    text = """
    [providers.alpha]
    base_url = "https://alpha.example/v1"
    key_env = "ALPHA_KEY"
    headers = { x-session-token = "canary-header", x-team = "blue" }
    [proxy]
    url = "http://me:canary-password@127.0.0.1:3128"
    [store]
    database = "postgres://ada:canary-password@db.example/waypost?password=canary-password"
    """
    settings = load(write(home, text), {"ALPHA_KEY": "canary-key", "HF_TOKEN": "hf_canary", "HOME": str(home)})
    seen = "\n".join("\t".join(line) for line in settings.describe()) + repr(settings.proxy)
    seen += repr(settings.providers) + repr(settings.store)
    assert 'store.database\t"postgres://ada@db.example/waypost"' in seen
    assert "canary-key" not in seen
    assert "hf_canary" not in seen
    assert "canary-password" not in seen
    assert "canary-header" not in seen
    assert "blue" in seen


def test_each_line_says_where_its_value_came_from(home) -> None:
    file = write(home, "[server]\nhost = '::1'\nport = 1\nworkers = 2\n[providers.groq]\ndisabled = true")
    environment = {"WAYPOST_PORT": "2", "GROQ_API_KEY": "gsk_1", "HOME": str(home)}
    settings = load(file, environment, {"server.workers": 3})
    lines = {line.key: line for line in settings.describe()}
    assert lines["server.host"][1:] == ('"::1"', str(file))
    assert lines["server.port"][1:] == ("2", "environment WAYPOST_PORT")
    assert lines["server.workers"][1:] == ("3", "command line")
    assert lines["server.idle_seconds_max"].origin == "default"
    assert lines["providers.groq.disabled"][1:] == ("true", str(file))
    assert lines["providers.groq.key"].origin == "environment GROQ_API_KEY"
    assert lines["providers.together.key"] == ("providers.together.key", "", "TOGETHER_API_KEY is not set")


def test_practice_is_offered_while_nobody_else_could_serve_anything(home) -> None:
    models = {"acme/one": Model("acme/one", (Endpoint("acme/one", "groq", "one"),))}
    bare = load(None, {"HOME": str(home)})
    keyed = load(None, {"HOME": str(home), "GROQ_API_KEY": "gsk_1"})
    assert bare.practice_offered(models)
    assert keyed.practice_offered({})
    assert not keyed.practice_offered(models)
    disabled = load(write(home, "[providers.groq]\ndisabled = true"), {"HOME": str(home), "GROQ_API_KEY": "gsk_1"})
    assert disabled.practice_offered(models)
    asked_for = load(write(home, "[practice]\nenabled = true"), {"HOME": str(home), "GROQ_API_KEY": "gsk_1"})
    assert asked_for.practice_offered(models)
    refused = load(write(home, "[practice]\nenabled = false"), {"HOME": str(home)})
    assert not refused.practice_offered({})


def test_a_change_of_the_file_or_the_catalogue_makes_another_mark(home) -> None:
    file = write(home, "[server]\nport = 1")
    settings = load(file, {"HOME": str(home)})
    mark = watch(settings)
    assert watch(settings) == mark
    file.write_text("[server]\nport = 12")
    changed = watch(settings)
    assert changed != mark
    settings.catalogue_folder.mkdir(parents=True)
    (settings.catalogue_folder / "groq-2026-11-20.json").write_text("{}")
    assert watch(settings) != changed
    file.unlink()
    assert watch(settings) != changed


def test_settings_know_the_mark_of_the_files_they_were_read_from(home) -> None:
    file = write(home, "[server]\nport = 1")
    settings = load(file, {"HOME": str(home)})
    assert watch(settings) == settings.mark
    file.write_text("[server]\nport = 12")
    assert watch(settings) != settings.mark
    assert watch(load(file, {"HOME": str(home)})) == watch(settings)


def test_a_file_that_appears_later_makes_another_mark_too(home) -> None:
    settings = load(None, {"HOME": str(home)})
    mark = watch(settings)
    write(home, "")
    assert watch(settings) != mark


def test_the_day_of_the_file_dates_what_it_says(home) -> None:
    file = write(home, "")
    os.utime(file, (0, datetime(2026, 6, 1, 23, tzinfo=UTC).timestamp()))
    assert load(file, {"HOME": str(home)}).as_of == "2026-06-01"


def test_what_changed_and_is_read_at_the_start_alone_is_named(home) -> None:
    def read(text: str) -> Settings:
        (home / "waypost.toml").write_text(text)
        return load(None, {})

    started = read("[practice]\nenabled = true\n")
    now = read(
        "[practice]\nenabled = false\n[server]\nin_flight_max = 5\ndrain_seconds_max = 1\n"
        '[tokens]\nprefix = "hf_wp_"\n[deadlines]\nsilence_seconds_max = 5\n[log]\nformat = "json"\n'
        "[waybills]\nkeep_days = 7\nkeep_rows_max = 1000\n"
    )
    assert needs_restart(started, now) == ("server.in_flight_max", "log.format")
    assert needs_restart(now, started) == ("server.in_flight_max", "practice.enabled", "log.format")
    assert needs_restart(now, now) == ()
