"""Asking who runs what: dated files in the data folder, what is new, and what it means when nobody answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from played import Played, played, played_at, reply

from waypost.cli.model_sync import usual_sources
from waypost.routing.sheets import read_sheets
from waypost.settings import load

GROQ = {"provider": "groq", "status": "live", "pricing": {"input": 0.1, "output": 0.3}, "context_length": 8192}
ROUTER = {"data": [{"id": "acme/one", "providers": [GROQ, {"provider": "novita", "status": "live"}]}]}
NOVITA = {"conversational": {"acme/one": {"status": "live", "providerId": "one-at-novita"}}}
OWN = {"data": [{"id": "one-q8", "owned_by": "workshop"}, {"id": "two"}]}


@pytest.fixture
def hub() -> Iterator[Played]:
    """Hugging Face's router and Hub, and a provider of our own."""
    with played_at(
        router_models=ROUTER, api_partners_novita_models=NOVITA, api_partners_groq_models={}, own_models=OWN
    ) as server:
        yield server


@pytest.fixture
def settings(hub, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    path = tmp_path / "waypost.toml"
    path.write_text(
        f'[providers.huggingface]\nbase_url = "{hub.url}/router"\n'
        f'[providers.workshop]\nbase_url = "{hub.url}/own"\n[store]\ndata_folder = "data"\n'
    )
    return path


def test_every_source_is_asked_and_written_down(alone, settings, tmp_path) -> None:
    done = alone("models", "sync", "--config", settings, "--format", "json")
    assert done.code == 0, done.err
    assert [(row["source"], row["models"], row["new"]) for row in done.data] == [
        ("huggingface", 1, 3),
        ("workshop", 2, 2),
    ]
    assert all(Path(row["file"]).exists() for row in done.data)
    sheets = {sheet.name: sheet for sheet in read_sheets(tmp_path / "data" / "catalogue").sheets}
    ids = {each.provider: each.id for each in sheets["huggingface"].models[0].endpoints}
    assert ids == {"groq": "acme/one", "novita": "one-at-novita", "huggingface": "acme/one"}
    assert "huggingface: + acme/one at novita" in done.err


def test_a_second_sync_says_what_has_changed(alone, settings) -> None:
    alone("models", "sync", "--config", settings)
    again = alone("models", "sync", "--config", settings, "--format", "json")
    assert [(row["new"], row["gone"], row["repriced"]) for row in again.data] == [(0, 0, 0), (0, 0, 0)]


def test_one_source_can_be_named_and_a_dry_run_writes_nothing(alone, settings, tmp_path) -> None:
    done = alone("models", "sync", "workshop", "--dry-run", "--config", settings)
    assert done.code == 0
    assert [line.split("\t")[0] for line in done.lines] == ["source", "workshop"]
    assert "Nothing was written." in done.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("keys", "stanza", "asked"),
    [
        ({}, "", ["huggingface"]),
        ({}, '[providers.workshop]\nbase_url = "http://10.0.0.7/v1"', ["workshop"]),
        ({"GROQ_API_KEY": "k"}, '[providers.workshop]\nbase_url = "http://10.0.0.7/v1"', ["huggingface", "workshop"]),
        ({"GROQ_API_KEY": "k"}, "[providers.huggingface]\ndisabled = true", ["groq"]),
        ({"HF_TOKEN": "k"}, "", ["huggingface"]),
        ({}, "[providers.huggingface]\ndisabled = true", []),
    ],
)
def test_hugging_face_is_asked_about_known_providers_and_where_there_is_nobody_else(
    tmp_path, keys, stanza, asked
) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text(stanza)
    sources = [source.slug for source in usual_sources(load(path, {"HOME": "/", **keys}))]
    assert [slug for slug in sources if slug in ("huggingface", "workshop")] == [s for s in asked if s != "groq"]
    assert ("groq" in sources) == ("GROQ_API_KEY" in keys)


def test_where_everybody_is_switched_off_nobody_is_asked(alone, settings) -> None:
    settings.write_text("[providers.huggingface]\ndisabled = true\n")
    done = alone("models", "sync", "--config", settings)
    assert done.code == 2
    assert "every provider is switched off" in done.err


def test_a_source_that_is_none_is_a_usage_error(alone, settings) -> None:
    done = alone("models", "sync", "worksop", "--config", settings)
    assert done.code == 2
    assert 'did you mean "workshop"?' in done.err


def test_where_nobody_can_be_reached_it_exits_with_4_and_keeps_what_was_there(alone, settings, tmp_path) -> None:
    alone("models", "sync", "--config", settings)
    before = sorted((tmp_path / "data" / "catalogue").iterdir())
    offline = tmp_path / "offline.toml"
    offline.write_text('[providers.huggingface]\nbase_url = "http://127.0.0.1:1"\n[store]\ndata_folder = "data"\n')
    done = alone("models", "sync", "--config", offline)
    assert done.code == 4
    assert "http://127.0.0.1:1/models could not be read" in done.err
    assert done.err.count("http://127.0.0.1:1") == 1
    assert "what was synced before stays in force" in done.err
    assert sorted((tmp_path / "data" / "catalogue").iterdir()) == before


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [(reply({"error": "no"}, "401 Unauthorized"), 7), (reply(b"<html>"), 7), (reply({"data": {}}), 7)],
)
def test_a_source_that_answers_wrongly_exits_with_7(alone, tmp_path, answer, exit_code) -> None:
    with played(answer) as server:
        path = tmp_path / "waypost.toml"
        path.write_text(f'[providers.workshop]\nbase_url = "{server.url}/own"\n')
        done = alone("models", "sync", "workshop", "--config", path)
    assert done.code == exit_code
    assert done.err.splitlines()[-1].startswith("hint: ")


def test_a_part_that_failed_is_not_well_and_the_rest_is_kept(alone, settings, tmp_path) -> None:
    settings.write_text(settings.read_text() + '[providers.gone]\nbase_url = "http://127.0.0.1:1"\n')
    done = alone("models", "sync", "--config", settings, "--format", "json")
    assert done.code == 1
    told = {row["source"]: row for row in done.data}
    assert told["gone"]["file"] is None
    assert "could not be read" in told["gone"]["error"]
    assert Path(told["workshop"]["file"]).exists()


def test_keys_go_to_their_own_provider_and_public_lists_get_none(alone, settings, hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    done = alone("models", "sync", "huggingface", "--config", settings)
    assert done.code == 0
    assert not any(b"hf_secret" in request for request in hub.asked)
    assert "hf_secret" not in json.dumps(done)
