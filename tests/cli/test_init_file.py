"""A settings file to start from: it changes nothing until somebody takes a mark away, and then it is read."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from waypost.cli.init_file import keys_that_are_set, text_of
from waypost.domain.tables import settings_of
from waypost.settings import load
from waypost.settings_table import SECTIONS


def test_the_file_as_it_is_written_says_nothing(tmp_path) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text(text_of({"groq": "GROQ_API_KEY"}))
    ours, defaults = load(path, {"HOME": "/"}), load(None, {"HOME": "/"})
    assert [line for line in ours.lines if line.origin == str(path)] == []
    assert [getattr(ours, name) for name in SECTIONS] == [getattr(defaults, name) for name in SECTIONS]


def test_every_setting_stands_in_it_with_its_default(tmp_path) -> None:
    text = text_of({})
    told = tomllib.loads(re.sub(r"^#(?=[\w\[])", "", text, flags=re.MULTILINE))
    for section, shape in SECTIONS.items():
        for name, (_, default, meaning) in settings_of(shape).items():
            assert default is None or told[section][name] == (list(default) if isinstance(default, tuple) else default)
            assert " ".join(meaning.split()[:4]) in text


def test_every_line_can_be_taken_into_use(tmp_path) -> None:
    text = re.sub(r"^#(?=[\w\[])", "", text_of({"groq": "GROQ_API_KEY"}), flags=re.MULTILINE)
    for name in ("cert", "key"):
        (tmp_path / name).write_text("")
        text = text.replace(f"/etc/waypost/{name}.pem", str(tmp_path / name))
    path = tmp_path / "waypost.toml"
    path.write_text(text)
    settings = load(path, {"HOME": "/"})
    assert settings.providers["workshop"].base_url == "http://10.0.0.7:8000/v1"
    assert settings.models["acme/one"].endpoints["workshop"]["id"] == "one-q8"
    assert settings.providers["groq"].disabled


def test_init_writes_it_once_and_never_again(alone, tmp_path) -> None:
    first = alone("init")
    assert (first.code, first.out) == (0, "")
    written = (tmp_path / "waypost.toml").read_text()
    again = alone("init")
    assert again.code == 3
    assert "is there already, and stays as it is" in again.err
    assert (tmp_path / "waypost.toml").read_text() == written
    assert alone("init", "a/new/folder").code == 0
    assert (tmp_path / "a" / "new" / "folder" / "waypost.toml").exists()
    assert alone("config", "check").code == 0


@pytest.mark.parametrize(
    ("folder", "options"),
    [(".", ""), ("./", ""), ("shop", " --config shop/waypost.toml"), ("a b", " --config 'a b/waypost.toml'")],
)
def test_the_hint_is_the_next_command_from_here(alone, folder, options) -> None:
    told = alone("init", folder).err.splitlines()[-1]
    assert told == f"hint: python -m waypost serve{options}"
    words = shlex.split(told.partition("waypost serve")[2])
    assert alone("config", "path", *words, "--format", "json").data["settings"].endswith("/waypost.toml")


def test_where_the_environment_names_another_file_the_hint_says_which_is_meant(alone, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WAYPOST_CONFIG", str(tmp_path / "other.toml"))
    assert alone("init").err.splitlines()[-1] == "hint: python -m waypost serve --config waypost.toml"


def test_providers_whose_key_is_set_are_named_and_the_key_is_not(alone, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_secret")
    monkeypatch.setenv("TOGETHERAI_API_KEY", "t_secret")
    done = alone("init")
    assert "GROQ_API_KEY is set: groq is switched on." in done.err
    text = (tmp_path / "waypost.toml").read_text()
    assert "# TOGETHERAI_API_KEY is set, so together serves.\n#[providers.together]" in text
    assert "gsk_secret" not in text + done.err
    assert "t_secret" not in text.replace("webhook_secret", "") + done.err


def test_a_variable_that_two_providers_read_is_named_once() -> None:
    assert text_of({}).count("HF_TOKEN") == 1


def test_only_variables_with_something_in_them_count() -> None:
    assert keys_that_are_set({"GROQ_API_KEY": " ", "HF_TOKEN": "hf_x", "PATH": "/"}) == {
        "hf-inference": "HF_TOKEN",
        "huggingface": "HF_TOKEN",
    }
