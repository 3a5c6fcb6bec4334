"""The doctor of this machine: every check in its good and its bad state, and none that guesses."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest
from commandline import Done
from played import played, played_at, reply

from waypost.domain.endpoints import Sheet
from waypost.routing.sheets import write_sheet


def states(done: Done) -> dict[str, str]:
    return {row["id"]: row["state"] for row in done.data}


def found(done: Done, check: str) -> dict:
    return next(row for row in done.data if row["id"] == check)


@pytest.fixture
def look(alone, tmp_path):
    """`look(settings…)`: the doctor in an empty folder whose port is free."""

    def looked(text: str = "", *options: str) -> Done:
        (tmp_path / "waypost.toml").write_text(f"[server]\nport = 0\n{text}")
        return alone("doctor", "--local", "--format", "json", *options)

    return looked


def test_a_machine_where_nothing_was_done_yet_is_well(look, tmp_path) -> None:
    done = look()
    assert done.code == 0
    assert states(done) == {"settings": "ok", "data": "note", "port": "ok", "keys": "note"}
    assert [path.name for path in tmp_path.iterdir()] == ["waypost.toml"], "looking changes nothing"


def test_a_running_installation_is_well(cli) -> None:
    done = cli("doctor", "--local", "--format", "json")
    assert done.code == 0
    assert states(done) == {
        "settings": "ok",
        "data": "ok",
        "data.version": "ok",
        "data.space": "ok",
        "tokens": "ok",
        "port": "ok",
        "keys": "note",
    }
    assert "answers at http://127.0.0.1:" in found(done, "port")["evidence"]


def test_people_get_a_line_for_each_check_and_programs_its_fields(cli, alone, tmp_path) -> None:
    human = cli("doctor", "--format", "human")
    assert human.lines[0].startswith("ok        settings ")
    assert human.lines[-1] == "All 7 checks are well."
    assert cli("doctor").lines[0] == "id\tstate\tevidence\tfix"
    assert cli("doctor", "--format", "quiet").out == ""


def test_settings_that_cannot_be_read_are_told_fault_by_fault(look) -> None:
    done = look("prot = 1\nhost = 3\n")
    assert done.code == 1
    assert [row["state"] for row in done.data] == ["not well", "not well", "skipped"]
    assert "did you mean" in done.data[0]["evidence"]


def test_a_port_in_use_is_not_well(look, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "other").write_text(f"[server]\nport = {taken.getsockname()[1]}\n")
        done = look("", "--config", str(tmp_path / "other"))
    assert done.code == 1
    assert found(done, "port")["evidence"].endswith("cannot be listened on: address already in use")


def test_data_of_a_newer_version_or_damaged_is_not_well(look, tmp_path) -> None:
    folder = tmp_path / "waypost-data"
    folder.mkdir(mode=0o700)
    path = folder / "waypost.db"
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    done = look()
    assert "written by a newer Waypost" in found(done, "data.version")["evidence"]
    path.write_bytes(b"no database" * 1000)
    done = look()
    assert done.code == 1
    assert found(done, "data.version")["state"] == "not well"


def test_a_database_without_its_pepper_is_not_well(alone, look, tmp_path) -> None:
    assert alone("users", "create", "me", "--operator").code == 0
    assert alone("tokens", "create", "t").code == 0
    assert states(look())["tokens"] == "ok"
    (tmp_path / "waypost-data" / "pepper").unlink()
    done = look()
    assert done.code == 1
    assert "no token works" in found(done, "data.pepper")["evidence"]


def test_a_folder_that_others_can_look_into_is_worth_a_note(look, tmp_path) -> None:
    (tmp_path / "waypost-data").mkdir(mode=0o755)
    done = look()
    assert done.code == 0
    assert found(done, "data.mode")["fix"].startswith("chmod 700 ")
    assert states(done)["data.version"] == "note"


def test_a_folder_that_cannot_be_made_is_not_well(look, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    done = look('[store]\ndata_folder = "file"\n')
    assert done.code == 1
    assert states(done)["data"] == "not well"


def test_a_key_that_the_settings_name_and_nobody_set_is_not_well(look) -> None:
    paid = '[providers.paid]\nbase_url = "https://paid.example.com/v1"\nkey_env = "PAID_KEY"\n'
    done = look(paid, "--offline")
    assert done.code == 1
    assert found(done, "keys.paid")["fix"].startswith("export PAID_KEY=…")
    assert look(paid + "disabled = true\n", "--offline").code == 0


def test_providers_are_asked_and_told_one_by_one(look, monkeypatch) -> None:
    monkeypatch.setenv("BAD_KEY", "sk-bad")
    with played_at(v1_models={"data": [{"id": "one"}]}) as good, played(reply({}, "401 Unauthorized")) as bad:
        done = look(
            f'[providers.good]\nbase_url = "{good.url}/v1"\n'
            f'[providers.bad]\nbase_url = "{bad.url}/v1"\nkey_env = "BAD_KEY"\n'
            '[providers.gone]\nbase_url = "http://127.0.0.1:1"\n'
        )
    told = states(done)
    assert done.code == 1
    assert (told["providers.good"], told["providers.bad"], told["providers.gone"]) == ("ok", "not well", "not well")
    assert "takes the key, 1 models" in found(done, "providers.good")["evidence"]
    assert found(done, "providers.bad")["fix"] == "Check the provider's key."
    assert "sk-bad" not in done.out
    assert told["catalogue"] == "note"


def test_an_old_catalogue_is_worth_a_note_and_a_damaged_one_is_not_well(look, tmp_path) -> None:
    folder = tmp_path / "waypost-data" / "catalogue"
    today = datetime.now(UTC).date()
    write_sheet(folder, Sheet("fresh", "http://x", today.isoformat(), ()))
    write_sheet(folder, Sheet("stale", "http://x", (today - timedelta(days=40)).isoformat(), ()))
    done = look()
    assert (states(done)["catalogue.fresh"], states(done)["catalogue.stale"]) == ("ok", "note")
    assert found(done, "catalogue.stale")["fix"] == "waypost models sync stale"
    Path(folder / f"fresh-{today.isoformat()}.json").write_text("{")
    done = look()
    assert done.code == 1
    assert states(done)["catalogue"] == "not well"


def test_a_server_that_does_not_answer_is_not_well(look, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "waypost-data"
    folder.mkdir(mode=0o700)
    (folder / "server.json").write_text('{"address": "http://127.0.0.1:1", "pid": 1}')
    done = look()
    assert done.code == 1
    assert found(done, "port")["state"] == "not well"
    assert "kill 1" in found(done, "port")["fix"]
